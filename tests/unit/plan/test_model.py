"""The plan as JSON, and what can be asked of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from pydantic import ValidationError
from tests.unit.plan.graphs import parents_of_tasks, plan_of

from moose_lib.plan.model import FieldSource, Plan, PlannedTask, Source, ValueRef
from moose_lib.plan.result import combine, json_list, json_object
from moose_lib.plan.schedule import plan_schedule

RUN, A, B = ValueRef(), ValueRef(task="a"), ValueRef(task="b")
DIAMOND = plan_of({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})


def planned(name: str, *after: str, source: Source | None = None) -> PlannedTask:
    fed = Source(kind="nothing") if source is None else source
    return PlannedTask(name=name, after=after, source=fed, timeout=timedelta(minutes=5), retries=2)


FULL = Plan(
    workflow="Orders",
    start="a",
    tasks=(
        planned("a", source=Source(kind="run", values=(RUN,))),
        planned("b", "a", source=Source(kind="task", values=(A,))),
        planned(
            "c",
            "b",
            source=Source(
                kind="assembled",
                values=(RUN, A, B),
                fields=(
                    FieldSource(field="order", values=(RUN,)),
                    FieldSource(field="all", values=(A, B), is_list=True),
                ),
            ),
        ),
    ),
    timeout=timedelta(hours=1),
    retries=1,
    schedule=plan_schedule("@daily", None),
)


def test_a_plan_travels_as_json() -> None:
    again = Plan.model_validate_json(FULL.model_dump_json())

    assert again == FULL
    assert again.hash == FULL.hash


@given(parents_of_tasks())
def test_any_graph_travels_as_json(after: dict[str, list[str]]) -> None:
    plan = plan_of(after)

    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_plans_that_differ_have_different_hashes() -> None:
    variants = [
        FULL,
        FULL.model_copy(update={"retries": 2}),
        FULL.model_copy(update={"tasks": FULL.tasks[:2]}),
        DIAMOND,
    ]

    assert len({Plan.model_validate_json(it.model_dump_json()).hash for it in variants}) == 4
    assert len(FULL.hash) == 12
    assert int(FULL.hash, 16) >= 0


def test_a_graph_is_asked_by_name() -> None:
    assert DIAMOND.task("d").after == ("b", "c")
    assert DIAMOND.children("a") == ("b", "c")
    assert DIAMOND.last_tasks == ("d",)
    assert plan_of({"a": [], "b": ["a"], "c": ["a"]}).last_tasks == ("b", "c")
    with pytest.raises(KeyError):
        DIAMOND.task("x")


@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        ((planned("b", "a"), planned("a")), "task 'b' is out of order or there twice"),
        ((planned("a"), planned("a")), "task 'a' is out of order or there twice"),
        ((planned("a", source=Source(kind="task", values=(B,))), planned("b")), "task 'a' is out of order"),
        ((planned("b"),), "starting task 'a' is not in the plan"),
    ],
)
def test_what_is_not_a_graph_is_no_plan(tasks: tuple[PlannedTask, ...], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Plan(workflow="Orders", start="a", tasks=tasks)


def test_a_plan_of_another_version_is_refused() -> None:
    with pytest.raises(ValidationError, match="version"):
        Plan.model_validate_json(FULL.model_dump_json().replace('"version":1', '"version":2'))


def test_a_source_is_said_in_words() -> None:
    assert [str(it.source) for it in FULL.tasks] == [
        "input of the run",
        "output of a",
        "order: input of the run, all: [output of a, output of b]",
    ]
    assert str(Source(kind="nothing")) == "nothing"


def test_the_result_is_the_output_of_the_last_task() -> None:
    assert combine(DIAMOND, {"d": b'{"x": 1}'}) == b'{"x": 1}'


def test_several_last_tasks_give_an_object_by_name() -> None:
    plan = plan_of({"a": [], "b ü": ["a"], "c": ["a"]})

    assert combine(plan, {"b ü": b"null", "c": b"[1]", "a": b"2"}) == b'{"b \\u00fc":null,"c":[1]}'
    assert json_object({}) == b"{}"
    assert json_list(()) == b"[]"
    assert json_list((b"1", b"null")) == b"[1,null]"
