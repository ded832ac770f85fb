"""Why a run is where it is: the one task that failed or holds it up, with everything needed to decide what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.client import Client

from moose_lib.operations.past import PastRun, read_past
from moose_lib.operations.records import RunState, RunStatus, RunSummary, TaskPhase, TaskStatus
from moose_lib.operations.workers import list_pollers
from moose_lib.plan.feeding import missing_values, put_together, values_of
from moose_lib.plan.model import Plan, PlannedTask

__all__ = ["Cause", "Deadline", "Explanation", "Finding", "TaskInput", "explain", "explain_run", "find_cause"]


class Cause(StrEnum):
    """Why a run is where it is."""

    COMPLETED = "completed"
    RUNNING = "running"  # nothing blocks it: its tasks run
    PARKED = "parked"  # a task failed and waits for a decision
    FAILED = "failed"  # a task failed; an open run fails when the rest has finished
    RETRYING = "retrying"  # an attempt failed, the next one comes
    LOST = "lost"  # the worker of a task went away
    NO_WORKER = "no_worker"  # a task, or the run itself, waits for a worker
    UNKNOWN = "unknown"  # the workers do not know the task, or the workflow
    PAUSED = "paused"
    BLOCKED = "blocked"  # the event loop of a task is blocked, by itself or another one
    CANCELING = "canceling"  # tasks that were asked to stop have not ended yet
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"


_CAUSES_OF_ENDS = {
    RunState.COMPLETED: Cause.COMPLETED,
    RunState.FAILED: Cause.FAILED,
    RunState.CANCELED: Cause.CANCELED,
    RunState.TERMINATED: Cause.TERMINATED,
    RunState.TIMED_OUT: Cause.TIMED_OUT,
    RunState.CONTINUED_AS_NEW: Cause.RUNNING,
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What holds a run up, and which task that is; None if it is the run as a whole."""

    cause: Cause
    task: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskInput:
    """The recorded input of a task, as JSON, as the task gets it; None if it takes none, or if values are `missing`.

    `source` says where it comes from, as `output of validate`.
    """

    source: str
    data: bytes | None = field(default=None, repr=False)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When a task fails that no worker takes: `limit` is the setting that says so, `length` its value."""

    time: datetime
    limit: str
    length: timedelta


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a run is where it is. `blocked` are the tasks that cannot start before `task` completes, near ones first.

    `workers` have worked for its queue lately; None for a run that has ended, where nobody asked.
    """

    status: RunStatus
    cause: Cause
    task_queue: str
    workers: int | None
    task: TaskStatus | None = None
    planned: PlannedTask | None = None
    input: TaskInput | None = None
    blocked: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Nobody has to do anything."""
        return self.cause in {Cause.COMPLETED, Cause.RUNNING}

    @property
    def attempts_used(self) -> int:
        """How many attempts the task has used up, that which runs included; one that begins again counts once."""
        task = self.task
        if task is None:
            return 0
        return task.attempts - 1 if task.is_lost or task.is_postponed else task.attempts

    @property
    def attempts_left(self) -> int | None:
        """How many attempts the task still has; None if nobody knows."""
        task = self.task
        if task is None or task.max_attempts is None:
            return None
        is_over = task.state.is_final or task.state is TaskPhase.PARKED
        return 0 if is_over else max(task.max_attempts - self.attempts_used, 0)

    @property
    def deadline(self) -> Deadline | None:
        """When the task fails if no worker takes it; None if it waits for none, or has no such limit.

        Of a wait after an earlier attempt it is not known when it began.
        """
        task, planned = self.task, self.planned
        if self.cause not in {Cause.NO_WORKER, Cause.UNKNOWN} or task is None or planned is None:
            return None
        if task.queued is None or task.attempts:
            return None
        limits = {"queue_timeout": planned.queue_timeout, "total_timeout": planned.total_timeout}
        ends = [Deadline(time=task.queued + it, limit=name, length=it) for name, it in limits.items() if it is not None]
        return min(ends, key=lambda it: it.time, default=None)


async def explain_run(client: Client, run: RunSummary) -> Explanation:
    """Explain a run; needs no worker and no code of the user.

    Raises:
        RunNotFound: the server does not have the run.
    """
    past = await read_past(client, run)
    workers = len(await list_pollers(client, run.task_queue)) if past.status.is_open else None
    return explain(past, task_queue=run.task_queue, workers=workers)


def explain(past: PastRun, *, task_queue: str, workers: int | None) -> Explanation:
    """Explain what is known of a run; `workers` work for its queue, None if nobody asked."""
    finding = find_cause(past.status, has_worker=workers != 0)
    name = finding.task
    planned = None if past.plan is None or name is None else past.plan.find(name)
    return Explanation(
        status=past.status,
        cause=finding.cause,
        task_queue=task_queue,
        workers=workers,
        task=None if name is None else past.status.task(name),
        planned=planned,
        input=None if planned is None else _input(past, planned),
        blocked=() if past.plan is None or name is None else _downstream(past.plan, name),
    )


def find_cause(status: RunStatus, *, has_worker: bool = True) -> Finding:
    """Decide which task explains how a run stands, and why.

    In an open run, what waits for people comes before what waits for time, and that before what is well.
    """
    if not status.is_open:
        return _in_ended(status)
    finding = _held_by_people(status) or _held_by_workers(status, has_worker=has_worker)
    if finding is not None:
        return finding
    running = _in_phase(status, TaskPhase.RUNNING)
    blocked = [task for task in running if task.held_up_by is not None]
    if blocked:
        return Finding(cause=Cause.BLOCKED, task=_longest(blocked))
    return Finding(cause=Cause.RUNNING, task=_longest(running))


def _held_by_people(status: RunStatus) -> Finding | None:
    if status.parked:
        return Finding(cause=Cause.PARKED, task=status.parked[0].name)
    if status.is_cancel_requested:
        return Finding(cause=Cause.CANCELING, task=_longest(_in_phase(status, TaskPhase.RUNNING)))
    failed = _in_phase(status, TaskPhase.FAILED)
    if failed:
        return Finding(cause=Cause.FAILED, task=_earliest(failed))
    if status.is_paused:
        held = _named(status, lambda task: task.is_startable)
        return Finding(cause=Cause.PAUSED, task=held)
    return None


def _held_by_workers(status: RunStatus, *, has_worker: bool) -> Finding | None:
    unknown = _in_phase(status, TaskPhase.UNKNOWN)
    if unknown or status.is_workflow_unknown:
        return Finding(cause=Cause.UNKNOWN, task=unknown[0].name if unknown else None)
    if not status.is_picked_up or (not status.is_planned and not has_worker):
        return Finding(cause=Cause.NO_WORKER)
    retrying = _in_phase(status, TaskPhase.RETRYING)
    if retrying:
        lost = [task for task in retrying if task.is_lost]
        task = (lost or retrying)[0]
        return Finding(cause=Cause.LOST if lost else Cause.RETRYING, task=task.name)
    queued = _in_phase(status, TaskPhase.QUEUED)
    is_idle = not _in_phase(status, TaskPhase.RUNNING)
    if queued and (not has_worker or is_idle):
        return Finding(cause=Cause.NO_WORKER, task=queued[0].name)
    due = _named(status, lambda task: task.is_startable)
    if due is not None and is_idle:  # what it waits for has ended, and nobody was there to see it
        return Finding(cause=Cause.NO_WORKER, task=due)
    return None


def _in_ended(status: RunStatus) -> Finding:
    """Name the task that failed, or else one that was interrupted, or else the first that did not start."""
    cause = _CAUSES_OF_ENDS[status.state]
    if cause is Cause.COMPLETED:
        return Finding(cause=cause)
    if status.error is not None and status.error.task is not None:
        return Finding(cause=cause, task=status.error.task)
    failed, stopped = _in_phase(status, TaskPhase.FAILED), _in_phase(status, TaskPhase.CANCELED)
    skipped = _named(status, lambda task: task.state is TaskPhase.SKIPPED)
    return Finding(cause=cause, task=_earliest(failed) or _longest(stopped) or skipped)


def _in_phase(status: RunStatus, phase: TaskPhase) -> list[TaskStatus]:
    return [task for task in status.tasks if task.state is phase]


def _named(status: RunStatus, is_it: Callable[[TaskStatus], bool]) -> str | None:
    return next((task.name for task in status.tasks if is_it(task)), None)


def _longest(tasks: Iterable[TaskStatus]) -> str | None:
    """The task that has run for the longest time."""
    first = min(tasks, key=lambda task: _order(task.started), default=None)
    return None if first is None else first.name


def _earliest(tasks: Iterable[TaskStatus]) -> str | None:
    """The task that ended first."""
    first = min(tasks, key=lambda task: _order(task.closed), default=None)
    return None if first is None else first.name


def _order(time: datetime | None) -> float:
    return float("inf") if time is None else time.timestamp()


def _input(past: PastRun, planned: PlannedTask) -> TaskInput:
    source = planned.source
    missing = missing_values(source, past.input, past.outputs)
    if missing:
        return TaskInput(source=str(source), missing=tuple(map(str, missing)))
    data = put_together(source, values_of(source, past.input, past.outputs))
    return TaskInput(source=str(source), data=data)


def _downstream(plan: Plan, name: str) -> tuple[str, ...]:
    """All tasks that come after `name`, in the order of the plan."""
    reached = {name}
    found = list[str]()
    for task in plan.tasks:
        if not reached.isdisjoint(task.after):
            reached.add(task.name)
            found.append(task.name)
    return tuple(found)
