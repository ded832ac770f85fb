"""What there is to see of runs, tasks and attempts, and who may look."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

__all__ = [
    "AttemptEnded",
    "AttemptOutcome",
    "AttemptSeen",
    "AttemptStarted",
    "Event",
    "Fault",
    "LinesDropped",
    "Observer",
    "Observers",
    "QueueSeen",
    "RunEnded",
    "RunSeen",
    "RunStarted",
    "RunState",
    "TaskEnded",
    "TaskSeen",
    "TaskStarted",
    "TaskState",
    "TemporalSilent",
    "WorkerIs",
]

#: "retried" failed and is started again from the beginning, as the workflow's retries say.
RunState: TypeAlias = Literal["completed", "failed", "retried", "canceled"]
TaskState: TypeAlias = Literal["completed", "failed", "parked", "canceled"]
#: "failed" was the task's last attempt, after "retried" there is another one. "postponed" asked for it (`RetryLater`).
#: "returned" was given back by a worker that stops, "unknown" by one whose code does not have the task.
AttemptOutcome: TypeAlias = Literal["completed", "failed", "retried", "postponed", "canceled", "returned", "unknown"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why something failed: the user's exception, as a span has it."""

    class_name: str
    message: str
    traceback: str | None = None

    def __str__(self) -> str:
        """`ValueError: bad`, as Python writes it."""
        name = self.class_name.rpartition(".")[2]
        return f"{name}: {self.message}" if self.message else name


@dataclass(frozen=True, kw_only=True)
class RunSeen:
    """A run; `first_run_id` is the same for all its retries and continuations, `run_id` is Temporal's of this part.

    `started` is the start of the first part. `resumed_from` is the first run id of the run that this one resumes.
    """

    workflow: str
    workflow_id: str
    run_id: str
    first_run_id: str
    attempt: int
    started: datetime
    scheduled_time: datetime | None = None
    resumed_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskSeen:
    """A task that a run handed to the workers for the `turn`th time: more than once if somebody retried it by hand."""

    run: RunSeen
    name: str
    turn: int
    started: datetime


@dataclass(frozen=True, kw_only=True)
class AttemptSeen:
    """An attempt that this worker was handed.

    `number` is the one that the handler sees, `handed_out` counts every time that any worker was handed the task, and
    `losses` are those of whom nobody heard again. `waited` is the time from when it could begin until it did.
    """

    workflow: str
    workflow_id: str
    run_id: str
    first_run_id: str
    task: str
    turn: int
    number: int
    handed_out: int
    losses: int
    waited: timedelta


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """This worker has made the first step of a run, or of one of its retries and continuations."""

    run: RunSeen


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """This worker has made the last step of a run, or of one that is retried."""

    run: RunSeen
    state: RunState
    ended: datetime
    fault: Fault | None = None


@dataclass(frozen=True, kw_only=True)
class TaskStarted:
    """A run has handed a task to the workers."""

    task: TaskSeen


@dataclass(frozen=True, kw_only=True)
class TaskEnded:
    """A run has learned how a task ended."""

    task: TaskSeen
    state: TaskState
    ended: datetime
    fault: Fault | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptStarted:
    """An attempt begins; told in the context in which its handler is going to run."""

    attempt: AttemptSeen


@dataclass(frozen=True, kw_only=True)
class AttemptEnded:
    """An attempt has ended; told in the context in which it began."""

    attempt: AttemptSeen
    outcome: AttemptOutcome
    took: timedelta
    fault: Fault | None = None


@dataclass(frozen=True, kw_only=True)
class LinesDropped:
    """An attempt wrote more lines than it may, or than could be written."""

    workflow: str
    task: str
    count: int


@dataclass(frozen=True, kw_only=True)
class QueueSeen:
    """One side of the task queue, as Temporal tells it: the steps of runs, or the tasks."""

    kind: Literal["run", "task"]
    backlog: int
    backlog_age: timedelta
    pollers: int


@dataclass(frozen=True, kw_only=True)
class TemporalSilent:
    """Temporal did not say how the task queue is."""


@dataclass(frozen=True, kw_only=True)
class WorkerIs:
    """The worker polls, drains, or is gone."""

    state: Literal["working", "draining", "stopped"]


Event: TypeAlias = (
    RunStarted
    | RunEnded
    | TaskStarted
    | TaskEnded
    | AttemptStarted
    | AttemptEnded
    | LinesDropped
    | QueueSeen
    | TemporalSilent
    | WorkerIs
)


class Observer(Protocol):
    """Is told what a worker sees, at once, in whichever thread it happens; it must not wait for anything."""

    def see(self, event: Event) -> None:
        """Note it."""


class Observers:
    """Several observers, none of whom can do any harm: what one raises is logged."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def see(self, event: Event) -> None:
        """Tell all."""
        for observer in self._observers:
            try:
                observer.see(event)
            except Exception:
                _logger.exception("%s cannot note what it saw", type(observer).__name__)
