"""What can happen to a run, in our words: the alphabet of the status fold.

Values (inputs and outputs, as JSON) are only in the events if they were asked for; `None` is one that cannot be read.

`reading` translates Temporal's history into these; `fold` turns them into a status. Neither knows the other's world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from moose_lib.dmv2.deliveries import Tally
from moose_lib.operations.records import Decision, ParentRun, RunError, RunState, TaskError
from moose_lib.plan.model import Plan

__all__ = [
    "CancelRequested",
    "Decided",
    "Outcome",
    "Paused",
    "PendingTask",
    "PickedUp",
    "Planned",
    "RunBegan",
    "RunClosed",
    "RunEvent",
    "TaskEnded",
    "TaskQueued",
    "TaskStarted",
]


class Outcome(StrEnum):
    """How one scheduling of a task ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    RETURNED = "returned"  # a stopping worker handed it back; it is queued again
    UNKNOWN = "unknown"  # the worker does not know the task; it is asked again later


@dataclass(frozen=True, kw_only=True)
class RunBegan:
    """A life of the run: its start, a continuation (`is_continued`), or a retry of the whole (`attempt` > 1).

    A run that resumes another one, `resumed_from`, begins with what it kept as `completed`.
    A continuation counts its attempts from 1 again; `max_attempts` then are those that are left (`None`: no limit).
    `origin` is the run id with which the work of a resumed run began.
    """

    time: datetime
    run_id: str
    first_run_id: str
    workflow: str
    is_continued: bool = False
    attempt: int = 1
    max_attempts: int | None = 1
    plan: Plan | None = None
    completed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    parked: tuple[str, ...] = ()
    is_paused: bool = False
    resumed_from: str | None = None
    origin: str | None = None
    parent: ParentRun | None = None
    input: bytes | None = None
    outputs: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run that was started without a plan got it from a worker."""

    time: datetime
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class PickedUp:
    """A worker took the run up."""

    time: datetime


@dataclass(frozen=True, kw_only=True)
class TaskQueued:
    """A task can start; `key` identifies this scheduling of it."""

    time: datetime
    key: int
    task: str


@dataclass(frozen=True, kw_only=True)
class TaskStarted:
    """The last attempt of a scheduling began (Temporal records only that one); `number` as far as it is known.

    `last_error`: why the attempt before it failed.
    """

    time: datetime
    key: int
    number: int
    last_error: TaskError | None = None


@dataclass(frozen=True, kw_only=True)
class TaskEnded:
    """A scheduling ended; `attempts` is how many attempts were used up, where the worker said so.

    `sent` counts the records that it has sent.
    """

    time: datetime
    key: int
    outcome: Outcome
    error: TaskError | None = None
    attempts: int | None = None
    output: bytes | None = None
    sent: Tally = field(default_factory=Tally)


@dataclass(frozen=True, kw_only=True)
class CancelRequested:
    """Somebody asked the run to stop."""

    time: datetime


@dataclass(frozen=True, kw_only=True)
class Paused:
    """Somebody, `by`, paused the run, or, not `is_paused`, let it go on; `note` is what they said."""

    time: datetime
    is_paused: bool
    by: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decided:
    """Somebody decided about a parked task; `task` is None for a decision about all of them."""

    time: datetime
    decision: Decision
    task: str | None = None
    output: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunClosed:
    """This life of the run ended; `next_run_id` is the following one, if any."""

    time: datetime
    state: RunState
    result: bytes | None = None
    result_fault: str | None = None
    error: RunError | None = None
    next_run_id: str | None = None


RunEvent: TypeAlias = (
    RunBegan
    | Planned
    | PickedUp
    | TaskQueued
    | TaskStarted
    | TaskEnded
    | CancelRequested
    | Paused
    | Decided
    | RunClosed
)


@dataclass(frozen=True, kw_only=True)
class PendingTask:
    """What the server knows about a task at this moment and has not recorded yet.

    `used` are the attempts that ended. `task` is None for the question for the plan of a run that came without one.
    `held_up_by` says what blocks the event loop of the attempt.
    """

    task: str | None
    used: int
    is_started: bool
    is_unknown: bool = False
    started: datetime | None = None
    next_attempt: datetime | None = None
    last_error: TaskError | None = None
    held_up_by: str | None = None
