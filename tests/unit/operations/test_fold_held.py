"""The status of runs that wait for people, and of those that go on where another one ended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.operations.test_fold import BEGAN, ERROR, PLAN, at, phases, ran, status_of

from moose_lib.operations.documents import run_document
from moose_lib.operations.events import (
    Decided,
    Outcome,
    Paused,
    PendingTask,
    RunClosed,
    RunEvent,
    TaskEnded,
    TaskQueued,
    TaskStarted,
)
from moose_lib.operations.records import Decision, RunError, RunPause, RunState, TaskPhase
from moose_lib.plan.model import Plan

#: The diamond a → (b, c) → d, where b parks.
PARKING = Plan(
    workflow="Diamond",
    start="a",
    tasks=tuple(task.model_copy(update={"on_failure": "park" if task.name == "b" else "fail"}) for task in PLAN.tasks),
)
HELD = replace(BEGAN, plan=PARKING)


def failed(task: str, key: int, begin: float, end: float) -> list[RunEvent]:
    return [
        TaskQueued(time=at(begin), key=key, task=task),
        TaskStarted(time=at(begin), key=key, number=1),
        TaskEnded(time=at(end), key=key, outcome=Outcome.FAILED, error=ERROR, attempts=1),
    ]


def decided(decision: Decision, task: str | None = "b", time: float = 10) -> Decided:
    return Decided(time=at(time), decision=decision, task=task)


PARKED = [HELD, *ran("a", 1, 1, 2), *failed("b", 2, 2, 3), *ran("c", 3, 2, 5)]


def test_a_parked_task_has_its_error_and_others_wait_for_it() -> None:
    status = status_of(*PARKED)

    assert phases(status) == {"a": "completed", "b": "parked", "c": "completed", "d": "waiting"}
    assert [(task.name, task.error, task.decision) for task in status.parked] == [("b", ERROR, None)]
    assert status.tasks[3].waiting_for == ("b",)
    assert status.is_open


@pytest.mark.parametrize(
    ("decision", "task", "state", "after"),
    [
        (Decision.RETRY, "b", "queued", "waiting"),
        (Decision.SKIP, "b", "completed", "waiting"),
        (Decision.FAIL, None, "failed", "skipped"),
        (Decision.RETRY, "a", "parked", "waiting"),
        (Decision.SKIP, "nobody", "parked", "waiting"),
    ],
)
def test_a_decision_counts_for_parked_tasks(decision: Decision, task: str | None, state: str, after: str) -> None:
    """It is known at once, before any worker has heard of it; one about another task is none."""
    status = status_of(*PARKED, decided(decision, task))

    assert (phases(status)["b"], phases(status)["d"]) == (state, after)
    assert (status.tasks[1].decision is decision) == (state != "parked")
    assert phases(status)["a"] == "completed"


def test_a_task_that_is_to_run_again_has_not_begun() -> None:
    """Before a worker has heard of it, its last attempt would look like the one that is queued."""
    task = status_of(*PARKED, decided(Decision.RETRY)).tasks[1]

    assert (task.state, task.started, task.closed, task.duration) == (TaskPhase.QUEUED, None, None, None)


def test_a_retried_task_is_told_from_a_new_one() -> None:
    """While it runs, and when it is parked again."""
    begun = [*PARKED, decided(Decision.RETRY), TaskQueued(time=at(11), key=4, task="b")]
    running = status_of(*begun, pending=(PendingTask(task="b", used=0, is_started=True, started=at(11)),))
    again = status_of(*begun, TaskEnded(time=at(12), key=4, outcome=Outcome.FAILED, error=ERROR, attempts=1))

    assert (running.tasks[1].state, running.tasks[1].decision) == (TaskPhase.RUNNING, Decision.RETRY)
    assert (again.tasks[1].state, again.tasks[1].closed) == (TaskPhase.PARKED, at(12))
    assert status_of(*begun, *ran("b", 5, 12, 13)).tasks[1].state is TaskPhase.COMPLETED


@pytest.mark.parametrize("state", [RunState.CANCELED, RunState.TERMINATED, RunState.TIMED_OUT])
def test_a_run_that_ended_has_nothing_to_decide(state: RunState) -> None:
    """What was parked has failed."""
    status = status_of(*PARKED, RunClosed(time=at(20), state=state))

    assert phases(status) == {"a": "completed", "b": "failed", "c": "completed", "d": "skipped"}
    assert status.parked == ()


def test_parked_tasks_stay_parked_in_the_next_life() -> None:
    """With the error of the life before; one of which that life is all that is left has no error."""
    closed = RunClosed(time=at(6), state=RunState.CONTINUED_AS_NEW, next_run_id="r2")
    life = replace(HELD, run_id="r2", is_continued=True, completed=("a", "c"), parked=("b",), is_paused=True)
    status, forgetful = status_of(*PARKED, closed, life), status_of(life)

    assert phases(status) == phases(forgetful) == {"a": "completed", "b": "parked", "c": "completed", "d": "waiting"}
    assert (status.parked[0].error, forgetful.parked[0].error) == (ERROR, None)
    assert status.is_paused
    assert not any(task.is_kept for task in status.tasks)


def test_the_last_word_about_a_pause_counts() -> None:
    """A run that has ended is not paused."""
    paused, unpaused = Paused(time=at(1), is_paused=True), Paused(time=at(2), is_paused=False)

    assert status_of(HELD, paused).is_paused
    assert not status_of(HELD, paused, unpaused).is_paused
    assert not status_of(HELD, paused, RunClosed(time=at(3), state=RunState.CANCELED)).is_paused


def test_who_paused_a_run_and_why_is_known_as_long_as_it_is() -> None:
    """Of several pauses it is the last one."""
    first, last = (
        Paused(time=at(time), is_paused=True, by="7@desk", note=note) for time, note in ((1, "lunch"), (2, None))
    )

    assert status_of(HELD, first).pause == RunPause(time=at(1), by="7@desk", note="lunch")
    assert status_of(HELD, first, last).pause == RunPause(time=at(2), by="7@desk")
    assert status_of(HELD, first, Paused(time=at(3), is_paused=False)).pause is None
    assert status_of(HELD, first, RunClosed(time=at(3), state=RunState.CANCELED)).pause is None


def test_why_a_task_was_given_up_is_kept() -> None:
    """Also when the run has failed because of it."""
    given_up = Decided(time=at(10), decision=Decision.FAIL, reason="he is gone")
    ended = RunClosed(time=at(11), state=RunState.FAILED, error=RunError(error=ERROR, task="b", tasks=("b",)))
    status = status_of(*PARKED, given_up, ended)

    task = status.task("b")
    assert task is not None
    assert (task.state, task.decision, task.reason) == (TaskPhase.FAILED, Decision.FAIL, "he is gone")
    document = run_document(status, None)
    assert (document["error"]["task"], document["error"]["reason"]) == ("b", "he is gone")


def test_a_task_that_is_retried_in_a_paused_run_waits() -> None:
    """No worker is missing: it starts when the run is unpaused."""
    status = status_of(*PARKED, Paused(time=at(9), is_paused=True), decided(Decision.RETRY))

    assert (status.tasks[1].state, status.tasks[1].waiting_for) == (TaskPhase.WAITING, ())


def test_a_resumed_run_begins_with_what_it_keeps() -> None:
    """A retry of it does so too; a task that runs again is not kept any more."""
    begin = replace(BEGAN, run_id="r2", first_run_id="r2", completed=("a", "c"), resumed_from="r1")
    status = status_of(begin)
    retried = status_of(
        begin,
        *failed("b", 2, 1, 2),
        RunClosed(time=at(3), state=RunState.FAILED, next_run_id="r3"),
        replace(begin, run_id="r3", attempt=2),
    )

    assert phases(status) == phases(retried) == {"a": "completed", "b": "waiting", "c": "completed", "d": "waiting"}
    assert [task.is_kept for task in status.tasks] == [True, False, True, False]
    assert [task.is_kept for task in retried.tasks] == [True, False, True, False]
    assert (status.resumed_from, retried.resumed_from) == ("r1", "r1")
