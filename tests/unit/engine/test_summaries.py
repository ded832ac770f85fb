"""What Temporal's own UI is given to show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.plan.graphs import plan_of

from moose_lib.engine.summaries import failed_details, held_details, run_details, run_summary, task_summary
from moose_lib.plan.model import PlannedTask, Source, ValueRef

RUN = ValueRef()


def planned(source: Source) -> PlannedTask:
    return PlannedTask(name="charge", source=source, timeout=timedelta(hours=1), retries=0)


def fed_by(*names: str) -> Source:
    return Source(kind="assembled", values=(RUN, *(ValueRef(task=name) for name in names)))


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        (Source(kind="nothing"), None),
        (Source(kind="run", values=(RUN,)), "from the run's input"),
        (Source(kind="task", values=(ValueRef(task="validate"),)), "from validate"),
        (fed_by("a", "a", "b"), "from the run's input, a, b"),
        (fed_by(*"abcdef"), "from the run's input, a, b, c and 3 more"),
        (Source(kind="outcome"), "from the outcome of the run"),
    ],
)
def test_a_task_says_where_its_input_comes_from(source: Source, summary: str | None) -> None:
    """Each source once; the name stands beside it already."""
    assert task_summary(planned(source)) == summary


def test_texts_are_cut_to_what_the_server_takes() -> None:
    """In bytes: it refuses the whole run otherwise."""
    names = ["ä" * 100 + f"{n:03}" for n in range(200)]
    plan = plan_of({names[0]: [], **{name: [names[0]] for name in names[1:]}})

    summary = task_summary(planned(fed_by(*names)))
    assert summary is not None
    assert len(summary.encode()) <= 300
    assert len(run_summary(plan).encode()) <= 300
    assert len(run_details(plan).encode()) <= 4_100
    assert len(held_details("x" * 1000, parked=names, is_paused=True).encode()) <= 4_000


def test_a_run_shows_its_tasks_and_its_graph() -> None:
    """The same tree as `graph`, of which the first tasks are enough."""
    small = plan_of({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})
    wide = plan_of({"a": [], **{f"b{n}": ["a"] for n in range(100)}})

    assert run_summary(small) == "a → b, c → d"
    assert run_summary(plan_of({"a": [], "b": ["a"], "c": ["a"], "d": ["b"], "e": ["c", "d"]})) == "a → b, c → d → e"
    assert run_details(small) == "```text\na\n├─ b\n└─ c\n   └─ d after b, c\n```"
    assert run_details(wide).endswith("├─ b58\n```\n\nand 41 more tasks")


def test_what_waits_for_people_shows_the_commands() -> None:
    """Ready to be pasted; nothing while nobody is needed."""
    assert held_details("Order 1", parked=(), is_paused=False) == ""
    assert held_details("Order 1", parked=("charge",), is_paused=True) == (
        "**Paused**: no further task starts until\n"
        "\n"
        "```sh\n"
        "moose-cli workflow unpause 'Order 1'\n"
        "```\n"
        "\n"
        "**Parked**: charge failed, and waits for a decision\n"
        "\n"
        "```sh\n"
        "moose-cli workflow explain 'Order 1'\n"
        "moose-cli workflow retry 'Order 1' charge\n"
        "moose-cli workflow skip 'Order 1' charge --output JSON\n"
        "moose-cli workflow fail 'Order 1'\n"
        "```"
    )
    assert held_details("r", parked=tuple("abcdef"), is_paused=False).endswith("\n\nand 2 more parked tasks")


def test_what_failed_shows_how_to_go_on() -> None:
    """By its run id: a new run may have the workflow id by then."""
    assert failed_details("r1", ("charge", "ship")) == (
        "**Failed**: charge, ship\n\n```sh\nmoose-cli workflow explain r1\nmoose-cli workflow resume r1 --dry-run\n```"
    )
