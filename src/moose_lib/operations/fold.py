"""Events of a run in, its status out: a pure fold, so that a live view, a closed run and a test all read alike.

Rules worth knowing:
- The history wins over what the server says is pending: pending facts only colour tasks the history calls queued.
- A continued run keeps what earlier lives did; a retry of the whole run begins again.
- Worker hand-backs, lost workers and workers that do not know a task use up no attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import singledispatchmethod

from moose_lib.dmv2.deliveries import Tally
from moose_lib.operations.events import (
    CancelRequested,
    Decided,
    Outcome,
    Paused,
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
from moose_lib.operations.records import (
    Decision,
    RunPause,
    RunRetry,
    RunState,
    RunStatus,
    TaskError,
    TaskPhase,
    TaskRetry,
    TaskStatus,
)
from moose_lib.plan.model import Plan, PlannedTask

__all__ = ["Fold"]

_OUTCOME_PHASES = {
    Outcome.COMPLETED: TaskPhase.COMPLETED,
    Outcome.FAILED: TaskPhase.FAILED,
    Outcome.CANCELED: TaskPhase.CANCELED,
    Outcome.RETURNED: TaskPhase.QUEUED,
    Outcome.UNKNOWN: TaskPhase.UNKNOWN,
}
#: Whether it has one, and how far it came, its history does not tell.
_LOST_AT_CANCEL = "its worker went away while it was being canceled; its on_cancel may not have finished"

_DECIDED_PHASES = {
    Decision.RETRY: TaskPhase.QUEUED,
    Decision.SKIP: TaskPhase.COMPLETED,
    Decision.FAIL: TaskPhase.FAILED,
}


@dataclass
class _Track:
    """What is known about one task so far."""

    phase: TaskPhase = TaskPhase.WAITING
    attempts: int = 0
    queued: datetime | None = None
    started: datetime | None = None
    closed: datetime | None = None
    error: TaskError | None = None
    is_kept: bool = False
    decision: Decision | None = None
    reason: str | None = None
    sent: Tally = field(default_factory=Tally)
    retried: TaskRetry | None = None


class Fold:
    """Takes the events of one run in order; `status` can be asked at any time.

    Example:
        fold = Fold("OrderProcessing-1f0c")
        for event in events:
            fold.apply(event)
        fold.status(now)
    """

    def __init__(self, workflow_id: str) -> None:
        self._workflow_id = workflow_id
        self._tracks: dict[str, _Track] = {}
        self._tasks_by_key: dict[int, str] = {}
        self._first: RunBegan | None = None
        self._life: RunBegan | None = None
        self._plan: Plan | None = None
        self._closed: RunClosed | None = None
        self._failed_life: RunRetry | None = None
        self._retries = list[RunRetry]()
        self._is_picked_up = False
        self._is_cancel_requested = False
        self._is_paused = False
        self._pause: RunPause | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan of the run; None until it has one."""
        return self._plan

    @property
    def has_pending(self) -> bool:
        """A task is queued or being worked on, or was when the run ended: the server may know more than the history."""
        return self._plan is None or any(track.phase is TaskPhase.QUEUED for track in self._tracks.values())

    @property
    def closed_run_id(self) -> str | None:
        """The last life of a run that has ended."""
        return None if self._closed is None or self._life is None else self._life.run_id

    @singledispatchmethod
    def apply(self, event: RunEvent) -> None:
        """Take the next event."""
        raise TypeError(event)

    @apply.register
    def _(self, event: RunBegan) -> None:
        self._first = self._first or event
        self._life = event
        self._closed = None
        self._is_paused = event.is_paused
        self._tasks_by_key.clear()
        if not event.is_continued:
            self._tracks.clear()
        if self._failed_life is not None:
            self._retries.append(self._failed_life)
            self._failed_life = None
        if event.plan is not None:
            self._plan = event.plan
        for track in self._tracks.values():
            if track.phase in {TaskPhase.QUEUED, TaskPhase.UNKNOWN}:
                track.phase = TaskPhase.WAITING
        over = (
            (event.completed, TaskPhase.COMPLETED),
            (event.failed, TaskPhase.FAILED),
            (event.parked, TaskPhase.PARKED),
        )
        for names, phase in over:
            for name in names:
                self._track(name).phase = phase
                self._track(name).is_kept = self._track(name).is_kept or not event.is_continued

    @apply.register
    def _(self, event: Planned) -> None:
        self._plan = event.plan

    @apply.register
    def _(self, event: PickedUp) -> None:  # noqa: ARG002  # the event itself is the news
        self._is_picked_up = True

    @apply.register
    def _(self, event: CancelRequested) -> None:  # noqa: ARG002  # the event itself is the news
        self._is_cancel_requested = True

    @apply.register
    def _(self, event: Paused) -> None:
        self._is_paused = event.is_paused
        self._pause = RunPause(time=event.time, by=event.by, note=event.note)

    @apply.register
    def _(self, event: Decided) -> None:
        """A decision about a task that is not parked came too late; the interpreter ignores it as well."""
        for name, track in self._tracks.items():
            if track.phase is TaskPhase.PARKED and event.task in {None, name}:
                track.phase = _DECIDED_PHASES[event.decision]
                track.decision, track.reason = event.decision, event.reason
                if event.decision is Decision.RETRY:
                    track.started = track.closed = None  # the attempt before is over, and the next is yet to come
                if self._is_paused and track.phase is TaskPhase.QUEUED:
                    track.phase = TaskPhase.WAITING

    @apply.register
    def _(self, event: TaskQueued) -> None:
        self._tasks_by_key[event.key] = event.task
        track = self._track(event.task)
        track.phase = TaskPhase.QUEUED
        track.queued = event.time
        track.started = track.closed = track.retried = None
        track.is_kept = False

    @apply.register
    def _(self, event: TaskStarted) -> None:
        track = self._track(self._tasks_by_key[event.key])
        track.attempts = event.number
        track.started = event.time
        if event.last_error is not None:
            track.retried = TaskRetry(time=event.time, error=event.last_error)

    @apply.register
    def _(self, event: TaskEnded) -> None:
        track = self._track(self._tasks_by_key[event.key])
        track.phase = _OUTCOME_PHASES[event.outcome]
        if track.phase is TaskPhase.FAILED and self._parks(self._tasks_by_key[event.key]):
            track.phase = TaskPhase.PARKED
        error = event.error
        if error is not None and error.is_lost and self._is_cancel_requested and event.outcome is Outcome.FAILED:
            track.phase, error = TaskPhase.CANCELED, replace(error, message=_LOST_AT_CANCEL)
        if event.attempts is not None:
            track.attempts = event.attempts
        if event.outcome in {Outcome.RETURNED, Outcome.UNKNOWN}:
            track.started = None
            track.error = event.error if event.outcome is Outcome.UNKNOWN else track.error
            return
        track.closed = event.time
        track.error = error
        track.sent = event.sent

    @apply.register
    def _(self, event: RunClosed) -> None:
        if event.next_run_id is None:
            self._closed = event
        elif event.state is not RunState.CONTINUED_AS_NEW:
            self._failed_life = RunRetry(time=event.time, error=event.error)

    def is_parked(self, name: str) -> bool:
        """The task waits for a decision."""
        return name in self._tracks and self._tracks[name].phase is TaskPhase.PARKED

    def _parks(self, name: str) -> bool:
        return self._plan is not None and name in self._plan.by_name and self._plan.task(name).on_failure == "park"

    def _track(self, name: str) -> _Track:
        return self._tracks.setdefault(name, _Track())

    def status(self, now: datetime, pending: Iterable[PendingTask] = ()) -> RunStatus:
        """Return how the run stands at `now`; `pending` is what the server knows beyond the history."""
        if self._first is None or self._life is None:
            raise ValueError("the history of a run starts with its beginning")
        closed = self._closed
        pending_by_task = {task.task: task for task in pending}
        return RunStatus(
            name=self._life.workflow,
            workflow_id=self._workflow_id,
            run_id=self._life.run_id,
            first_run_id=self._life.first_run_id,
            state=RunState.RUNNING if closed is None else closed.state,
            started=self._first.time,
            closed=None if closed is None else closed.time,
            duration=(now if closed is None else closed.time) - self._first.time,
            result=None if closed is None else closed.result,
            result_fault=None if closed is None else closed.result_fault,
            error=None if closed is None else closed.error,
            attempt=self._attempt(self._life),
            max_attempts=self._max_attempts(self._life),
            retried=self._retries[-1] if self._retries else None,
            parent=self._first.parent,
            tasks=self._task_statuses(now, pending_by_task),
            hooks=self._hook_statuses(now, pending_by_task),
            plan=self._plan,
            plan_hash=None if self._plan is None else self._plan.hash,
            is_planned=self._plan is not None,
            is_workflow_unknown=self._plan is None and None in pending_by_task and pending_by_task[None].is_unknown,
            is_picked_up=self._is_picked_up,
            is_cancel_requested=self._is_cancel_requested,
            is_paused=self._is_paused and closed is None,
            pause=self._pause if self._is_paused and closed is None else None,
            resumed_from=self._first.resumed_from,
        )

    def _attempt(self, life: RunBegan) -> int:
        """Count the tries of the run: the server forgets old lives, and a continuation does not know of any."""
        return max(life.attempt, len(self._retries) + 1)

    def _max_attempts(self, life: RunBegan) -> int | None:
        if life.max_attempts is None:
            return None
        return self._attempt(life) + max(life.max_attempts - life.attempt, 0)

    def _task_statuses(self, now: datetime, pending: dict[str | None, PendingTask]) -> tuple[TaskStatus, ...]:
        if self._plan is None:
            return ()
        phases = dict[str, TaskPhase]()
        statuses = list[TaskStatus]()
        for task in self._plan.tasks:
            track = self._tracks.get(task.name, _Track())
            status = self._task_status(task, track, phases, now, pending.get(task.name))
            phases[task.name] = status.state
            statuses.append(status)
        return tuple(statuses)

    def _hook_statuses(self, now: datetime, pending: dict[str | None, PendingTask]) -> tuple[TaskStatus, ...]:
        """A hook is told of once it could start; which one it is depends on how the run ends."""
        hooks = () if self._plan is None else self._plan.hooks
        begun = [(hook, self._tracks[hook.name]) for hook in hooks if hook.name in self._tracks]
        return tuple(self._task_status(hook, track, {}, now, pending.get(hook.name)) for hook, track in begun)

    def _task_status(
        self,
        task: PlannedTask,
        track: _Track,
        phases: dict[str, TaskPhase],
        now: datetime,
        pending: PendingTask | None,
    ) -> TaskStatus:
        phase = self._phase(task, track, phases)
        retries = task.retries + 1
        if phase is TaskPhase.QUEUED and pending is not None:
            return _pending_status(task.name, track, pending, now, retries)
        if pending is not None and track.phase is TaskPhase.QUEUED and self._closed is not None:
            return _stopped_status(_pending_status(task.name, track, pending, self._closed.time, retries))
        waiting_for = tuple(name for name in task.after if phases[name] is not TaskPhase.COMPLETED)
        end = track.closed or (None if self._closed is None else self._closed.time)
        return TaskStatus(
            name=task.name,
            state=phase,
            attempts=track.attempts,
            started=track.started,
            closed=track.closed,
            duration=None if track.started is None else (end or now) - track.started,
            error=track.error,
            waiting_for=waiting_for if phase is TaskPhase.WAITING else (),
            max_attempts=retries,
            is_kept=track.is_kept,
            decision=track.decision,
            reason=track.reason,
            is_interrupted=phase is TaskPhase.CANCELED and track.phase is not phase,
            sent=track.sent,
            retried=track.retried,
        )

    def _phase(self, task: PlannedTask, track: _Track, phases: dict[str, TaskPhase]) -> TaskPhase:
        is_dead = any(phases[name] in {TaskPhase.FAILED, TaskPhase.SKIPPED} for name in task.after)
        if track.phase is TaskPhase.WAITING:
            return TaskPhase.SKIPPED if is_dead or self._closed is not None else TaskPhase.WAITING
        if self._closed is not None and not track.phase.is_final:
            return TaskPhase.FAILED if track.phase is TaskPhase.PARKED else TaskPhase.CANCELED
        return track.phase


def _pending_status(name: str, track: _Track, pending: PendingTask, now: datetime, max_attempts: int) -> TaskStatus:
    started = pending.started if pending.is_started else None
    error = pending.last_error or track.error
    last = pending.last_error
    has_begun = pending.is_started or (last is not None and (last.is_lost or last.is_request))
    return TaskStatus(
        name=name,
        state=_pending_phase(pending),
        attempts=pending.used + has_begun,
        queued=track.queued,
        started=started,
        duration=None if started is None else max(now - started, timedelta()),
        error=error,
        next_attempt=None if pending.is_started else pending.next_attempt,
        max_attempts=max_attempts,
        decision=track.decision,
        reason=track.reason,
        held_up_by=pending.held_up_by if pending.is_started else None,
    )


def _stopped_status(last: TaskStatus) -> TaskStatus:
    """The run was ended from outside: what the server knew at that moment is all there will ever be."""
    return replace(last, state=TaskPhase.CANCELED, is_interrupted=True, next_attempt=None)


def _pending_phase(pending: PendingTask) -> TaskPhase:
    if pending.is_started:
        return TaskPhase.RUNNING
    if pending.is_unknown:
        return TaskPhase.UNKNOWN
    return TaskPhase.QUEUED if pending.last_error is None else TaskPhase.RETRYING
