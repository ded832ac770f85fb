"""Events of a run in, its status out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from moose_lib.operations.events import (
    CancelRequested,
    Outcome,
    PendingTask,
    PickedUp,
    Planned,
    RunBegan,
    RunClosed,
    RunEvent,
    TaskEnded,
    TaskQueued,
    TaskStarted,
)
from moose_lib.operations.fold import Fold
from moose_lib.operations.records import (
    ParentRun,
    RunError,
    RunRetry,
    RunState,
    RunStatus,
    TaskError,
    TaskPhase,
    TaskRetry,
)
from moose_lib.plan.model import Plan, PlannedTask, Source

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def planned(name: str, *after: str, retries: int = 3) -> PlannedTask:
    return PlannedTask(name=name, after=after, source=Source(kind="nothing"), timeout=None, retries=retries)


#: a → (b, c) → d
PLAN = Plan(
    workflow="Diamond",
    start="a",
    tasks=(planned("a"), planned("b", "a", retries=0), planned("c", "a"), planned("d", "b", "c")),
)
BEGAN = RunBegan(time=START, run_id="r1", first_run_id="r1", workflow="Diamond", plan=PLAN)
ERROR = TaskError(class_name="shop.CardDeclined", message="no funds", traceback="Traceback …", attempt=1)


def ran(task: str, key: int, begin: float, end: float, attempt: int = 1) -> list[RunEvent]:
    return [
        TaskQueued(time=at(begin), key=key, task=task),
        TaskStarted(time=at(begin), key=key, number=attempt),
        TaskEnded(time=at(end), key=key, outcome=Outcome.COMPLETED),
    ]


def status_of(*events: RunEvent, pending: tuple[PendingTask, ...] = (), now: float = 60) -> RunStatus:
    fold = Fold("Diamond-1")
    for event in events:
        fold.apply(event)
    return fold.status(at(now), pending)


def phases(status: RunStatus) -> dict[str, str]:
    return {task.name: task.state.value for task in status.tasks}


def test_a_new_run_waits_and_each_task_says_for_what() -> None:
    """Before anything ran, the join names both of its parents."""
    status = status_of(BEGAN)

    assert phases(status) == {"a": "waiting", "b": "waiting", "c": "waiting", "d": "waiting"}
    assert [task.waiting_for for task in status.tasks] == [(), ("a",), ("a",), ("b", "c")]
    assert (status.state, status.is_open, status.is_planned) == (RunState.RUNNING, True, True)
    assert (status.duration, status.closed, status.plan_hash) == (timedelta(seconds=60), None, PLAN.hash)
    assert not status.is_picked_up


def test_a_completed_run_has_its_times_and_its_result() -> None:
    """The durations of a closed run do not grow."""
    events = [*ran("a", 1, 1, 2), *ran("b", 2, 2, 3), *ran("c", 3, 2, 5), *ran("d", 4, 5, 6)]
    closed = RunClosed(time=at(7), state=RunState.COMPLETED, result=b"{}")

    status = status_of(BEGAN, PickedUp(time=at(1)), *events, closed, now=1000)

    assert set(phases(status).values()) == {"completed"}
    assert [task.duration for task in status.tasks] == [timedelta(seconds=n) for n in (1, 1, 3, 1)]
    assert (status.closed, status.duration, status.result) == (at(7), timedelta(seconds=7), b"{}")
    assert status.is_picked_up
    task = status.task("c")
    assert task is not None
    assert (task.started, task.closed, task.attempts, task.max_attempts) == (at(2), at(5), 1, 4)
    assert status.task("nope") is None


def test_a_failed_task_skips_what_is_behind_it_and_nothing_else() -> None:
    """The other branch goes on."""
    failed: list[RunEvent] = [
        TaskQueued(time=at(2), key=2, task="b"),
        TaskStarted(time=at(2), key=2, number=1),
        TaskEnded(time=at(3), key=2, outcome=Outcome.FAILED, error=ERROR, attempts=1),
        TaskQueued(time=at(2), key=3, task="c"),
    ]

    status = status_of(BEGAN, *ran("a", 1, 1, 2), *failed)

    assert phases(status) == {"a": "completed", "b": "failed", "c": "queued", "d": "skipped"}
    task = status.task("b")
    assert task is not None
    assert task.error == ERROR
    assert str(ERROR) == "CardDeclined: no funds"


@pytest.mark.parametrize("state", [RunState.CANCELED, RunState.TERMINATED, RunState.TIMED_OUT, RunState.FAILED])
def test_a_closed_run_has_no_open_tasks(state: RunState) -> None:
    """What ran was stopped, what waited never starts."""
    events = [*ran("a", 1, 1, 2), TaskQueued(time=at(2), key=2, task="b"), TaskStarted(time=at(2), key=2, number=1)]

    status = status_of(BEGAN, *events, RunClosed(time=at(4), state=state), now=100)

    assert phases(status) == {"a": "completed", "b": "canceled", "c": "skipped", "d": "skipped"}
    task = status.task("b")
    assert task is not None
    assert task.duration == timedelta(seconds=2)
    assert [it.name for it in status.tasks if it.is_interrupted] == ["b"]
    assert all(it.state.is_final for it in status.tasks)


def test_a_task_that_ran_when_the_run_was_terminated_keeps_its_start() -> None:
    """The history never gets it, the server remembers."""
    events = [*ran("a", 1, 1, 2), TaskQueued(time=at(2), key=2, task="b"), TaskQueued(time=at(2), key=3, task="c")]
    running = PendingTask(task="b", used=1, is_started=True, started=at(3), last_error=ERROR)
    closed = RunClosed(time=at(5), state=RunState.TERMINATED)

    status = status_of(BEGAN, *events, closed, pending=(running,), now=100)

    b, c = status.task("b"), status.task("c")
    assert b is not None
    assert c is not None
    assert (b.state, b.started, b.duration, b.attempts) == (TaskPhase.CANCELED, at(3), timedelta(seconds=2), 2)
    assert (c.state, c.started, c.duration, c.attempts) == (TaskPhase.CANCELED, None, None, 0)
    assert (b.is_interrupted, c.is_interrupted) == (True, True)


def test_a_canceled_task_and_the_request_for_it_are_seen() -> None:
    """Between the request and the end, the status says that it is on its way."""
    events: list[RunEvent] = [
        TaskQueued(time=at(1), key=1, task="a"),
        TaskStarted(time=at(1), key=1, number=1),
        CancelRequested(time=at(2)),
        TaskEnded(time=at(3), key=1, outcome=Outcome.CANCELED),
    ]

    status = status_of(BEGAN, *events)

    assert status.is_cancel_requested
    assert phases(status)["a"] == "canceled"
    assert not any(task.is_interrupted for task in status.tasks)


def test_a_task_whose_worker_goes_away_while_it_is_canceled_has_not_failed() -> None:
    """It was asked to stop; nobody knows whether its on_cancel has ended."""
    lost = TaskError(class_name="WorkerLost", message="its worker went away", kind="lost")
    begun: list[RunEvent] = [TaskQueued(time=at(1), key=1, task="a"), TaskStarted(time=at(1), key=1, number=1)]
    ended = TaskEnded(time=at(3), key=1, outcome=Outcome.FAILED, error=lost)

    canceled = status_of(BEGAN, *begun, CancelRequested(time=at(2)), ended).tasks[0]

    assert canceled.state is TaskPhase.CANCELED
    assert canceled.error == replace(
        lost, message="its worker went away while it was being canceled; its on_cancel may not have finished"
    )
    assert status_of(BEGAN, *begun, ended).tasks[0].state is TaskPhase.FAILED


def test_a_running_task_is_coloured_by_what_the_server_knows() -> None:
    """The history has only the queueing of a task while its attempts go on."""
    queued = TaskQueued(time=at(1), key=1, task="a")
    pending = PendingTask(task="a", used=1, is_started=True, started=at(50), last_error=ERROR)

    (task, *_) = status_of(BEGAN, queued, pending=(pending,), now=60).tasks

    assert (task.state, task.attempts, task.started) == (TaskPhase.RUNNING, 2, at(50))
    assert (task.duration, task.error) == (timedelta(seconds=10), ERROR)


def test_an_attempt_that_failed_unseen_is_known_from_the_one_after_it() -> None:
    """Until the task is queued again, by hand or because its worker gave it back."""
    queued = TaskQueued(time=at(1), key=1, task="a")
    again = TaskStarted(time=at(3), key=1, number=2, last_error=ERROR)
    ended = TaskEnded(time=at(4), key=1, outcome=Outcome.COMPLETED)

    (task, *_) = status_of(BEGAN, queued, again, ended).tasks
    (anew, *_) = status_of(BEGAN, queued, again, ended, replace(queued, key=2)).tasks

    assert (task.state, task.error, task.retried) == (TaskPhase.COMPLETED, None, TaskRetry(time=at(3), error=ERROR))
    assert anew.retried is None


def test_a_task_between_two_attempts_says_when_the_next_one_comes() -> None:
    """The failed attempts are counted, the coming one is not."""
    queued = TaskQueued(time=at(1), key=1, task="a")
    pending = PendingTask(task="a", used=2, is_started=False, next_attempt=at(64), last_error=ERROR)

    (task, *_) = status_of(BEGAN, queued, pending=(pending,)).tasks

    assert (task.state, task.attempts, task.next_attempt, task.duration) == (TaskPhase.RETRYING, 2, at(64), None)


def test_an_attempt_whose_worker_went_away_comes_again_under_its_number() -> None:
    """It has used up nothing: the first attempt stays the first."""
    queued = TaskQueued(time=at(1), key=1, task="a")
    lost = TaskError(class_name="WorkerLost", message="its worker went away", kind="lost")
    pending = PendingTask(task="a", used=0, is_started=False, next_attempt=at(64), last_error=lost)

    (task, *_) = status_of(BEGAN, queued, pending=(pending,)).tasks
    (again, *_) = status_of(BEGAN, queued, pending=(replace(pending, is_started=True, started=at(64)),)).tasks

    assert (task.state, task.is_lost, task.attempts, task.max_attempts) == (TaskPhase.RETRYING, True, 1, 4)
    assert (again.state, again.is_lost, again.attempts) == (TaskPhase.RUNNING, False, 1)


@pytest.mark.parametrize(("is_unknown", "phase"), [(True, TaskPhase.UNKNOWN), (False, TaskPhase.QUEUED)])
def test_a_task_no_worker_has_is_unknown_or_queued(is_unknown: bool, phase: TaskPhase) -> None:
    """A worker that does not know the task has not used up an attempt."""
    queued = TaskQueued(time=at(1), key=1, task="a")
    pending = PendingTask(task="a", used=0, is_started=False, is_unknown=is_unknown)

    (task, *_) = status_of(BEGAN, queued, pending=(pending,)).tasks

    assert (task.state, task.attempts, task.queued) == (phase, 0, at(1))


def test_the_history_wins_over_older_news_of_the_server() -> None:
    """A pending fact about a task that has completed since is ignored."""
    pending = PendingTask(task="a", used=0, is_started=True, started=at(1))

    status = status_of(BEGAN, *ran("a", 1, 1, 2), pending=(pending,))

    assert phases(status)["a"] == "completed"


def test_the_workers_own_count_of_attempts_wins() -> None:
    """Temporal counts hand-outs; a task that a stopping worker gave back once still ran once."""
    events: list[RunEvent] = [
        TaskQueued(time=at(1), key=1, task="a"),
        TaskStarted(time=at(9), key=1, number=3),
        TaskEnded(time=at(10), key=1, outcome=Outcome.COMPLETED, attempts=1),
    ]

    (task, *_) = status_of(BEGAN, *events).tasks

    assert task.attempts == 1


@pytest.mark.parametrize(
    ("outcome", "phase"), [(Outcome.RETURNED, TaskPhase.QUEUED), (Outcome.UNKNOWN, TaskPhase.UNKNOWN)]
)
def test_a_task_handed_back_comes_again(outcome: Outcome, phase: TaskPhase) -> None:
    """Neither a stopping worker nor one without the task's code ends it."""
    events: list[RunEvent] = [
        TaskQueued(time=at(1), key=1, task="a"),
        TaskStarted(time=at(1), key=1, number=1),
        TaskEnded(time=at(2), key=1, outcome=outcome, error=ERROR, attempts=0),
    ]

    (task, *_) = status_of(BEGAN, *events).tasks

    assert (task.state, task.attempts, task.started) == (phase, 0, None)
    assert task.error == (ERROR if outcome is Outcome.UNKNOWN else None)


def test_a_continued_run_is_one_run() -> None:
    """What the first life did stays; what it had queued is asked for again."""
    continued = RunBegan(
        time=at(5), run_id="r2", first_run_id="r1", workflow="Diamond", plan=PLAN, is_continued=True, completed=("a",)
    )
    events: list[RunEvent] = [
        BEGAN,
        *ran("a", 1, 1, 2),
        TaskQueued(time=at(2), key=2, task="b"),
        RunClosed(time=at(5), state=RunState.CONTINUED_AS_NEW, next_run_id="r2"),
    ]

    between, after = status_of(*events), status_of(*events, continued)

    assert (between.state, between.run_id) == (RunState.RUNNING, "r1")
    assert phases(after) == {"a": "completed", "b": "waiting", "c": "waiting", "d": "waiting"}
    assert (after.run_id, after.first_run_id, after.started) == ("r2", "r1", START)
    task = after.task("a")
    assert task is not None
    assert task.duration == timedelta(seconds=1)


def test_a_continued_run_whose_first_life_is_gone_still_knows_what_is_done() -> None:
    """The server forgets old lives; the frontier does not."""
    continued = RunBegan(
        time=at(5),
        run_id="r2",
        first_run_id="r1",
        workflow="Diamond",
        plan=PLAN,
        is_continued=True,
        completed=("a",),
        failed=("b",),
    )

    assert phases(status_of(continued)) == {"a": "completed", "b": "failed", "c": "waiting", "d": "skipped"}


def test_a_retry_of_the_whole_run_begins_again() -> None:
    """The failed life's tasks are not the new life's."""
    error = RunError(error=ERROR, task="a", tasks=("a",))
    events: list[RunEvent] = [
        replace(BEGAN, max_attempts=3),
        *ran("a", 1, 1, 2),
        RunClosed(time=at(3), state=RunState.FAILED, error=error, next_run_id="r2"),
    ]
    again = replace(BEGAN, time=at(4), run_id="r2", attempt=2, max_attempts=3)

    between, after = status_of(*events), status_of(*events, again)

    assert (between.is_open, between.error, between.attempt, between.max_attempts) == (True, None, 1, 3)
    assert set(phases(after).values()) == {"waiting"}
    assert (after.attempt, after.max_attempts, after.started, after.run_id) == (2, 3, START, "r2")
    assert after.retried == RunRetry(time=at(3), error=error)


def test_the_tries_of_a_run_are_counted_over_its_continuations() -> None:
    """A continuation begins to count anew, with as many attempts as are left."""
    events: list[RunEvent] = [
        replace(BEGAN, max_attempts=3),
        RunClosed(time=at(3), state=RunState.FAILED, next_run_id="r2"),
        replace(BEGAN, run_id="r2", attempt=2, max_attempts=3),
        RunClosed(time=at(5), state=RunState.CONTINUED_AS_NEW, next_run_id="r3"),
        replace(BEGAN, run_id="r3", is_continued=True, attempt=1, max_attempts=2),
    ]

    status, unlimited = status_of(*events), status_of(replace(BEGAN, attempt=7, max_attempts=None))

    assert (status.attempt, status.max_attempts) == (2, 3)
    assert (unlimited.attempt, unlimited.max_attempts, unlimited.retried) == (7, None, None)


def test_a_run_without_a_plan_gets_it_from_a_worker() -> None:
    """Somebody's own client started it with nothing but an input."""
    foreign = RunBegan(time=START, run_id="r1", first_run_id="r1", workflow="Diamond")
    asked = PendingTask(task=None, used=0, is_started=False, is_unknown=True)

    before = status_of(foreign)
    refused = status_of(foreign, pending=(asked,))
    after = status_of(foreign, Planned(time=at(1), plan=PLAN))

    assert (before.tasks, before.is_planned, before.is_workflow_unknown, before.plan_hash) == ((), False, False, None)
    assert refused.is_workflow_unknown
    assert len(after.tasks) == len(PLAN.tasks)


def test_a_failed_run_says_why_and_who_started_it() -> None:
    """The error and the parent are the run's, not a task's."""
    parent = ParentRun(workflow_id="Parent-1", run_id="p1")
    began = RunBegan(time=START, run_id="r1", first_run_id="r1", workflow="Diamond", plan=PLAN, parent=parent)
    error = RunError(error=ERROR, task="a", tasks=("a", "b"))

    status = status_of(began, RunClosed(time=at(3), state=RunState.FAILED, error=error))

    assert (status.error, status.parent) == (error, parent)


def test_only_queued_tasks_make_it_worth_asking_the_server() -> None:
    """While nothing is queued the history says everything."""
    fold = Fold("Diamond-1")
    fold.apply(BEGAN)
    asked = [fold.has_pending]
    for event in ran("a", 1, 1, 2):
        fold.apply(event)
        asked.append(fold.has_pending)

    assert asked == [False, True, True, False]


def test_a_history_without_its_beginning_is_refused() -> None:
    """It would be somebody's mistake, not a status."""
    with pytest.raises(ValueError, match="starts with its beginning"):
        Fold("x").status(START)
    with pytest.raises(TypeError):
        Fold("x").apply("nonsense")  # pyright: ignore[reportArgumentType]  # on purpose
