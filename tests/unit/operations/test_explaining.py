"""Which task explains how a run stands, and what is told about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from moose_lib.operations.explaining import Cause, Finding, TaskInput, explain, find_cause
from moose_lib.operations.past import PastRun
from moose_lib.operations.records import RunError, RunState, RunStatus, TaskError, TaskPhase, TaskStatus
from moose_lib.plan.model import FieldSource, Plan, PlannedTask, Source, ValueRef

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOOM = TaskError(class_name="ValueError", message="boom", attempt=1)
LOST = TaskError(class_name="WorkerLost", message="its worker went away", kind="lost")


def at(second: float) -> datetime:
    return NOW + timedelta(seconds=second)


def run(*tasks: TaskStatus, state: RunState = RunState.RUNNING, **changes: object) -> RunStatus:
    status = RunStatus(
        name="Order",
        workflow_id="Order-1",
        run_id="r1",
        first_run_id="r1",
        state=state,
        started=NOW,
        duration=timedelta(seconds=64),
        tasks=tasks,
        is_planned=True,
        is_picked_up=True,
    )
    return replace(status, **changes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


DONE = TaskStatus(name="done", state=TaskPhase.COMPLETED, attempts=1)
YOUNG = TaskStatus(name="young", state=TaskPhase.RUNNING, attempts=1, started=at(9))
OLD = TaskStatus(name="old", state=TaskPhase.RUNNING, attempts=1, started=at(1))
PARKED = TaskStatus(name="parked", state=TaskPhase.PARKED, attempts=4, max_attempts=4, error=BOOM)
FAILED = TaskStatus(name="failed", state=TaskPhase.FAILED, attempts=4, max_attempts=4, error=BOOM, closed=at(5))
FIRST = replace(FAILED, name="first", closed=at(2))
RETRYING = TaskStatus(name="retrying", state=TaskPhase.RETRYING, attempts=1, max_attempts=4, error=BOOM)
GONE = replace(RETRYING, name="gone", error=LOST)
QUEUED = TaskStatus(name="queued", state=TaskPhase.QUEUED)
STRANGE = TaskStatus(name="strange", state=TaskPhase.UNKNOWN)
HELD = TaskStatus(name="held", state=TaskPhase.WAITING)
LATER = TaskStatus(name="later", state=TaskPhase.WAITING, waiting_for=("old",))
STOPPED = TaskStatus(name="stopped", state=TaskPhase.CANCELED, attempts=1, started=at(1))
SKIPPED = TaskStatus(name="skipped", state=TaskPhase.SKIPPED)


@pytest.mark.parametrize(
    ("status", "cause", "task"),
    [
        (run(DONE, YOUNG, OLD, LATER), Cause.RUNNING, "old"),
        (run(DONE), Cause.RUNNING, None),
        (run(DONE, HELD), Cause.NO_WORKER, "held"),
        (run(DONE, OLD, HELD), Cause.RUNNING, "old"),
        (run(DONE, OLD, replace(YOUNG, held_up_by="another")), Cause.BLOCKED, "young"),
        (run(DONE, OLD, QUEUED), Cause.RUNNING, "old"),
        (run(RETRYING, PARKED, OLD), Cause.PARKED, "parked"),
        (run(PARKED, is_paused=True), Cause.PARKED, "parked"),
        (run(FAILED, FIRST, OLD, RETRYING), Cause.FAILED, "first"),
        (run(DONE, HELD, is_paused=True), Cause.PAUSED, "held"),
        (run(OLD, LATER, is_paused=True), Cause.PAUSED, None),
        (run(OLD, YOUNG, is_cancel_requested=True), Cause.CANCELING, "old"),
        (run(OLD, RETRYING), Cause.RETRYING, "retrying"),
        (run(RETRYING, GONE), Cause.LOST, "gone"),
        (run(OLD, RETRYING, STRANGE), Cause.UNKNOWN, "strange"),
        (run(is_workflow_unknown=True, is_planned=False), Cause.UNKNOWN, None),
        (run(HELD, is_picked_up=False), Cause.NO_WORKER, None),
        (run(DONE, QUEUED, LATER), Cause.NO_WORKER, "queued"),
    ],
)
def test_in_an_open_run_what_waits_for_people_comes_first(status: RunStatus, cause: Cause, task: str | None) -> None:
    """Then what waits for workers or time, and only then what runs."""
    assert find_cause(status) == Finding(cause=cause, task=task)


def test_a_queued_task_blocks_if_nobody_works() -> None:
    """With a worker that is busy with the run's other tasks it is as it should be."""
    status = run(OLD, QUEUED)

    assert find_cause(status, has_worker=True).task == "old"
    assert find_cause(status, has_worker=False) == Finding(cause=Cause.NO_WORKER, task="queued")
    assert find_cause(run(is_planned=False), has_worker=False) == Finding(cause=Cause.NO_WORKER)


@pytest.mark.parametrize(
    ("status", "cause", "task"),
    [
        (run(DONE, state=RunState.COMPLETED), Cause.COMPLETED, None),
        (run(FAILED, FIRST, state=RunState.FAILED), Cause.FAILED, "first"),
        (
            run(FAILED, FIRST, state=RunState.FAILED, error=RunError(error=BOOM, task="failed")),
            Cause.FAILED,
            "failed",
        ),
        (run(state=RunState.FAILED, error=RunError(error=BOOM)), Cause.FAILED, None),
        (run(DONE, STOPPED, SKIPPED, state=RunState.TIMED_OUT), Cause.TIMED_OUT, "stopped"),
        (run(STOPPED, FAILED, state=RunState.CANCELED), Cause.CANCELED, "failed"),
        (run(DONE, SKIPPED, state=RunState.TERMINATED), Cause.TERMINATED, "skipped"),
    ],
)
def test_in_a_run_that_ended_it_is_what_failed_or_was_interrupted(
    status: RunStatus, cause: Cause, task: str | None
) -> None:
    """The first that failed; the run itself may know which one that was."""
    assert find_cause(status) == Finding(cause=cause, task=task)


def planned(name: str, *after: str, source: Source | None = None) -> PlannedTask:
    return PlannedTask(
        name=name, after=after, source=source or Source(kind="nothing"), timeout=timedelta(hours=1), retries=3
    )


ORDER, PRICE = ValueRef(), ValueRef(task="price")
ASSEMBLED = Source(
    kind="assembled",
    values=(ORDER, PRICE, PRICE),
    fields=(
        FieldSource(field="order", values=(ORDER,)),
        FieldSource(field="prices", values=(PRICE, PRICE), is_list=True),
    ),
)
PLAN = Plan(
    workflow="Order",
    start="price",
    tasks=(
        planned("price", source=Source(kind="run", values=(ORDER,))),
        planned("parked", "price", source=ASSEMBLED),
        planned("aside", "price"),
        planned("bill", "parked"),
        planned("ship", "bill", "aside"),
    ),
)


def past(*tasks: TaskStatus, outputs: dict[str, bytes] | None = None) -> PastRun:
    return PastRun(
        status=run(*tasks), task_queue="q", origin="r1", plan=PLAN, input=b'{"id":"7"}', outputs=outputs or {}
    )


def test_the_input_is_put_together_as_the_task_gets_it() -> None:
    """Every task behind it waits for it, also by way of others."""
    explanation = explain(past(PARKED, outputs={"price": b'{"cents":3}'}), task_queue="q", workers=1)

    assert explanation.input == TaskInput(
        source="order: input of the run, prices: [output of price, output of price]",
        data=b'{"order":{"id":"7"},"prices":[{"cents":3},{"cents":3}]}',
    )
    assert explanation.blocked == ("bill", "ship")
    assert (explanation.attempts_left, explanation.is_healthy) == (0, False)


def test_an_input_that_is_not_there_says_what_is_missing() -> None:
    """A large value may be on another machine; a task may not have got that far."""
    explanation = explain(past(PARKED), task_queue="q", workers=1)

    assert explanation.input is not None
    assert (explanation.input.data, explanation.input.missing) == (None, ("output of price",))


@pytest.mark.parametrize(("task", "left"), [(RETRYING, 3), (FAILED, 0), (OLD, None)])
def test_attempts_are_left_while_the_task_is_not_over(task: TaskStatus, left: int | None) -> None:
    """Nobody knows for a task whose limit is not known."""
    assert explain(past(task), task_queue="q", workers=1).attempts_left == left


def test_a_healthy_run_names_what_it_waits_for() -> None:
    """A task without an input has none to show."""
    explanation = explain(past(replace(OLD, name="aside")), task_queue="q", workers=2)

    assert (explanation.is_healthy, explanation.cause) == (True, Cause.RUNNING)
    assert explanation.input == TaskInput(source="nothing")
    assert explanation.blocked == ("ship",)
