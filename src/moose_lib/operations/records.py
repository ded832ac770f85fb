"""What operations answer with: frozen records about runs and their tasks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from moose_lib.dmv2.deliveries import Tally
from moose_lib.plan.model import Plan

__all__ = [
    "Decision",
    "ParentRun",
    "Poller",
    "RecordedEvent",
    "ResumedRun",
    "RunError",
    "RunPause",
    "RunRetry",
    "RunState",
    "RunStatus",
    "RunSummary",
    "StartedRun",
    "TaskError",
    "TaskPhase",
    "TaskStatus",
]


class RunState(StrEnum):
    """How a run stands; `wire` is Temporal's name for it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"
    CONTINUED_AS_NEW = "continued_as_new"

    @property
    def wire(self) -> str:
        """`WORKFLOW_EXECUTION_STATUS_…`, which scripts of Moose's users look for."""
        return f"WORKFLOW_EXECUTION_STATUS_{self.name}"

    @property
    def words(self) -> str:
        """For people: `timed out`."""
        return self.value.replace("_", " ")


class Decision(StrEnum):
    """What can be done about a parked task."""

    RETRY = "retry"  # run it again, with all its attempts
    SKIP = "skip"  # go on with an output given by hand
    FAIL = "fail"  # give it up, and so the run


class TaskPhase(StrEnum):
    """How a task of a run stands, seen from outside."""

    WAITING = "waiting"  # for other tasks
    QUEUED = "queued"  # could start, no worker has taken it yet
    RUNNING = "running"
    RETRYING = "retrying"  # an attempt failed, the next one comes
    UNKNOWN = "unknown"  # the workers asked so far do not know the task
    PARKED = "parked"  # failed, and waits for a decision
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"  # never started: something before it failed, or the run ended
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Nothing more happens to the task in this run."""
        return self in {TaskPhase.COMPLETED, TaskPhase.FAILED, TaskPhase.SKIPPED, TaskPhase.CANCELED}


@dataclass(frozen=True, kw_only=True)
class TaskError:
    """Why an attempt failed: the user's exception as it was raised.

    `sent` counts the records that it has sent all the same; known of a task's last attempt.
    """

    class_name: str
    message: str
    traceback: str | None = None
    kind: str = "task"
    attempt: int | None = None
    is_retryable: bool = True
    sent: Tally = field(default_factory=Tally)

    @property
    def type(self) -> str:
        """The exception's class without its module."""
        return self.class_name.rpartition(".")[2]

    @property
    def is_lost(self) -> bool:
        """The worker went away, which says nothing about the task."""
        return self.kind == "lost"

    @property
    def is_unstarted(self) -> bool:
        """No worker took the task in time: there was no attempt that could have failed."""
        return self.kind == "queue"

    @property
    def is_request(self) -> bool:
        """No failure: the task asked to be run again later."""
        return self.kind == "later"

    def __str__(self) -> str:
        """`ValueError: bad`, as Python writes it."""
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True, kw_only=True)
class TaskRetry:
    """An attempt failed, and another one came: when that was, and why the first one failed."""

    time: datetime
    error: TaskError


@dataclass(frozen=True, kw_only=True)
class TaskStatus:
    """One task of a run. `attempts` counts those begun; `duration` is that of the last attempt.

    An attempt whose worker went away begins again under its number. `is_kept`: the output is that of the run which this
    one resumes. `decision` is the last one that was made about the task, `reason` why, if somebody said so.
    `is_interrupted`: it is canceled because the run was ended from outside, terminated or timed out. `sent` counts the
    records that it has sent, as `moose_lib.ingest` does. `retried` is the last retry, known once the task has ended.
    `held_up_by` says what blocks the event loop of an `async` handler that runs; it may be the handler itself.
    `queued`: since when a task that is under way could start.
    """

    name: str
    state: TaskPhase
    attempts: int = 0
    queued: datetime | None = None
    started: datetime | None = None
    closed: datetime | None = None
    duration: timedelta | None = None
    error: TaskError | None = None
    waiting_for: tuple[str, ...] = ()
    next_attempt: datetime | None = None
    max_attempts: int | None = None
    is_kept: bool = False
    decision: Decision | None = None
    reason: str | None = None
    is_interrupted: bool = False
    sent: Tally = field(default_factory=Tally)
    held_up_by: str | None = None
    retried: TaskRetry | None = None

    @property
    def is_lost(self) -> bool:
        """Its worker went away, and it runs again soon."""
        return self.state is TaskPhase.RETRYING and self.error is not None and self.error.is_lost

    @property
    def is_startable(self) -> bool:
        """It waits for no other task."""
        return self.state is TaskPhase.WAITING and not self.waiting_for

    @property
    def is_postponed(self) -> bool:
        """It asked to be run again later, which uses up no attempt."""
        return self.state is TaskPhase.RETRYING and self.error is not None and self.error.is_request


@dataclass(frozen=True, kw_only=True)
class RunError:
    """Why a run did not complete; `task` is the first task that failed, `tasks` all of them."""

    error: TaskError
    task: str | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRetry:
    """The run failed as a whole and began again: when, and why."""

    time: datetime
    error: RunError | None


@dataclass(frozen=True, kw_only=True)
class RunPause:
    """Somebody paused the run: when, who (`1234@host`), and what they noted, if anything."""

    time: datetime
    by: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class ParentRun:
    """The run that started this one."""

    workflow_id: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """A run and its tasks, in the order of the plan.

    `run_id` is the newest of the run's chain (a long or retried run gets a new id for each life), `first_run_id` the
    one it was started with; either finds the run. `result` is JSON; `result_fault` says why it cannot be read, if so.
    `tasks` is empty until the run has its plan; `is_workflow_unknown` if the workers asked for it do not know it.
    `hooks` has the one that runs or ran after the run; what became of it changes nothing about `state` and `error`.
    `attempt` counts the tries of the run as a whole, of `max_attempts` (`None`: no limit); `retried` is the last retry.
    `pause` tells of the last one, while `is_paused`, if the server still knows it.
    `resumed_from` is the run id of the run that this one resumes, `resumed_as` that of the one which resumed this one.
    """

    name: str
    workflow_id: str
    run_id: str
    first_run_id: str
    state: RunState
    started: datetime
    closed: datetime | None = None
    duration: timedelta
    result: bytes | None = None
    result_fault: str | None = None
    error: RunError | None = None
    attempt: int = 1
    max_attempts: int | None = 1
    retried: RunRetry | None = None
    parent: ParentRun | None = None
    tasks: tuple[TaskStatus, ...] = ()
    hooks: tuple[TaskStatus, ...] = ()
    plan: Plan | None = field(default=None, repr=False)
    plan_hash: str | None = None
    is_planned: bool = False
    is_workflow_unknown: bool = False
    is_picked_up: bool = False
    is_cancel_requested: bool = False
    is_paused: bool = False
    pause: RunPause | None = None
    resumed_from: str | None = None
    resumed_as: str | None = None

    @property
    def is_open(self) -> bool:
        """The run goes on."""
        return self.state is RunState.RUNNING

    @property
    def has_open_tasks(self) -> bool:
        """Something may still happen to a task."""
        return any(not task.state.is_final for task in self.tasks)

    @property
    def parked(self) -> tuple[TaskStatus, ...]:
        """The tasks that wait for a decision."""
        return tuple(task for task in self.tasks if task.state is TaskPhase.PARKED)

    def task(self, name: str) -> TaskStatus | None:
        """Return the task of that name."""
        return next((task for task in self.tasks if task.name == name), None)


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One row of a list of runs. `scheduled_time` is what a run of a schedule stands for."""

    name: str
    workflow_id: str
    run_id: str
    state: RunState
    started: datetime
    closed: datetime | None
    task_queue: str
    scheduled_time: datetime | None = None

    def as_of(self, status: RunStatus) -> RunSummary:
        """Return the row as the run stands, which the list of runs is behind of."""
        return replace(self, state=status.state, closed=status.closed)

    def duration(self, now: datetime) -> timedelta:
        """How long it took, or has taken until `now`."""
        return (self.closed or now) - self.started


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """A run that was just started; `ui_url` is its page in Temporal's UI, if there is one."""

    workflow: str
    workflow_id: str
    run_id: str
    ui_url: str | None


@dataclass(frozen=True, kw_only=True)
class ResumedRun(StartedRun):
    """A run that was just started and goes on where the run with the run id `resumed_from` left off."""

    resumed_from: str


@dataclass(frozen=True, kw_only=True)
class Poller:
    """A worker seen at a task queue within the last minutes."""

    identity: str
    last_seen: datetime


@dataclass(frozen=True, kw_only=True)
class RecordedEvent:
    """One line of Temporal's own history of a run, for those who want to see everything.

    `signal` is the name of what people told the run, `reason` why they did, or terminated it.
    """

    time: datetime
    type: str
    task: str | None = None
    result: bytes | None = None
    error: TaskError | None = None
    signal: str | None = None
    reason: str | None = None
