"""The tasks of a run as a tree with columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.unit.plan.graphs import plan_of

from moose_lib.cli.output import Output
from moose_lib.cli.task_table import fitting_task_lines, task_lines
from moose_lib.cli.texts import clock_text
from moose_lib.operations.records import RunState, RunStatus, TaskError, TaskPhase, TaskStatus

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIME = clock_text(NOW)
PLAN = plan_of(
    {
        "validate": [],
        "price": ["validate"],
        "tax": ["price"],
        "stock": ["validate"],
        "ship": ["tax", "stock"],
        "bill": ["ship"],
        "notify": ["ship"],
    }
)
ERROR = TaskError(class_name="ValueError", message="the warehouse does not answer at all")


def run(*tasks: TaskStatus, **changes: object) -> RunStatus:
    status = RunStatus(
        name="Flow",
        workflow_id="Flow-1",
        run_id="r1",
        first_run_id="r1",
        state=RunState.RUNNING,
        started=NOW,
        duration=timedelta(seconds=64),
        tasks=tasks,
        plan=PLAN,
    )
    return replace(status, **changes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def done(name: str) -> TaskStatus:
    span = timedelta(milliseconds=30)
    return TaskStatus(name=name, state=TaskPhase.COMPLETED, attempts=1, started=NOW, duration=span)


STOCK = TaskStatus(name="stock", state=TaskPhase.RETRYING, attempts=1, max_attempts=3, error=ERROR)
TASKS = (
    done("validate"),
    done("price"),
    done("tax"),
    STOCK,
    TaskStatus(name="ship", state=TaskPhase.WAITING, waiting_for=("stock",)),
    TaskStatus(name="bill", state=TaskPhase.WAITING, waiting_for=("ship",)),
    TaskStatus(name="notify", state=TaskPhase.WAITING, waiting_for=("ship",)),
)


def lines(status: RunStatus, width: int = 120, height: int = 40) -> list[str]:
    return fitting_task_lines(status, Output(), NOW, width=width, height=height)


def test_only_branches_are_indented() -> None:
    """A join is there once, below its last parent."""
    assert task_lines(run(*TASKS), Output(), NOW) == [
        "  TASK        STATE      ATTEMPTS  STARTED   DURATION",
        f"✓ validate    completed  1         {TIME}  30ms",
        f"✓ ├ price     completed  1         {TIME}  30ms",
        f"✓ │ tax       completed  1         {TIME}  30ms",
        "↻ └ stock     retrying   1 of 3    -         -         ValueError: the warehouse does not answer at all",
        "○   ship      waiting    -         -         -         for stock",
        "○   ├ bill    waiting    -         -         -         for ship",
        "○   └ notify  waiting    -         -         -         for ship",
    ]


def test_a_join_that_waits_no_longer_says_what_it_comes_after() -> None:
    """What it still waits for is said before; of many names, three."""
    many = plan_of({"a": [], **{f"b{n}": ["a"] for n in range(5)}, "z": [f"b{n}" for n in range(5)]})
    names = [task.name for task in many.tasks]

    assert lines(run(*map(done, names), plan=many))[-1].endswith("30ms      after b0, b1, b2 and 2 more")


def test_a_narrow_terminal_does_without_some_columns() -> None:
    """Names are never cut; the times of start go first, then the attempts."""
    wide, narrow = lines(run(*TASKS), width=80), lines(run(*TASKS), width=40)

    assert wide[0] == "  TASK        STATE      ATTEMPTS  DURATION"
    assert narrow[0] == "  TASK        STATE      DURATION"
    assert narrow[4].startswith("↻ └ stock     retrying   -         ValueError")


def test_what_is_higher_than_the_terminal_is_counted() -> None:
    """What failed or blocks comes first, then what goes on."""
    names = [f"part-{n}" for n in range(1000)]
    running = [TaskStatus(name=name, state=TaskPhase.RUNNING, attempts=1) for name in names[:100]]
    waiting = [TaskStatus(name=name, state=TaskPhase.WAITING) for name in names[200:]]
    status = run(*running, *map(done, names[100:199]), replace(STOCK, name="part-199"), *waiting, plan=None)

    shown = lines(status, height=10)

    assert shown == [
        "1000 tasks: 99 completed, 1 retrying, 100 running, 800 waiting",
        "  TASK      STATE     ATTEMPTS  STARTED  DURATION",
        "↻ part-199  retrying  1 of 3    -        -         ValueError: the warehouse does not answer at all",
        *(f"● part-{n}    running   1         -        -" for n in range(6)),
        "  … and 94 more of these",
    ]


def test_of_a_run_that_completed_the_counts_are_enough() -> None:
    """Nothing failed, and nothing goes on."""
    assert lines(run(*map(done, ("a", "b", "c")), plan=None), height=3) == ["3 tasks: 3 completed"]


def test_the_hook_is_shown_with_the_counts_too() -> None:
    """It has a table of its own."""
    hook = TaskStatus(name="report", state=TaskPhase.RUNNING, attempts=1)

    shown = lines(run(*map(done, ("a", "b", "c")), plan=None, hooks=(hook,)), height=5)

    assert shown[0] == "3 tasks: 3 completed"
    assert [line.split()[1] for line in shown[2:]] == ["STATE", "report"]


def test_a_task_held_by_a_pause_says_so() -> None:
    """It could start otherwise."""
    held = TaskStatus(name="validate", state=TaskPhase.WAITING)

    assert lines(run(held, plan=None, is_paused=True))[-1].endswith("  until the run is unpaused")
