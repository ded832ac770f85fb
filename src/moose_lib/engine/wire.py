"""What travels between a starter, the interpreter and the workers, and under which names.

A run is started with `[input, envelope]`, a continued one with `[input, envelope, outputs]`. A task is called with
`[call, value, value, …]`. Inputs, outputs and values are JSON that nobody on the way decodes. Histories outlive
releases: fields are only added here, with a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.retrying import Retrying

PLAN_ACTIVITY: Final = "moose/plan"
PLAN_ACTIVITY_ID: Final = "plan"

TASK_FAILED: Final = "TaskFailed"
INVALID_START: Final = "InvalidStart"
WORKER_SHUTDOWN: Final = "WorkerShutdown"
TASK_UNKNOWN: Final = "TaskUnknown"
WORKFLOW_UNKNOWN: Final = "WorkflowUnknown"

#: Failures that say nothing about the task itself: the server tries again and no attempt is used up.
EXCUSED: Final = frozenset({WORKER_SHUTDOWN, TASK_UNKNOWN, WORKFLOW_UNKNOWN})

MEMO_PLAN: Final = "moose_plan"
MEMO_WORKFLOW: Final = "moose_workflow"
#: Of a run that is to be started once: what its input was, as a digest.
MEMO_INPUT: Final = "moose_input"
#: The run id of the run that this one resumes.
MEMO_RESUMED_FROM: Final = "moose_resumed_from"
#: Its first run id, where that is another one: it was continued or retried.
MEMO_RESUMED_ORIGIN: Final = "moose_resumed_origin"

#: Signals with which people steer an open run: an `Order`, for a skipped task with its output as second argument.
SIGNAL_PAUSE: Final = "moose-pause"
SIGNAL_UNPAUSE: Final = "moose-unpause"
SIGNAL_RETRY: Final = "moose-retry"
SIGNAL_SKIP: Final = "moose-skip"
SIGNAL_FAIL: Final = "moose-fail"

#: A worker that is silent for this long is taken for dead and its tasks are run again.
HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
HEARTBEAT_INTERVAL: Final = timedelta(seconds=1)

#: Marks a payload that is stored outside of the history whatever its size.
BY_REFERENCE: Final = "moose-by-reference"

#: Set on an output whose attempt was not the one that Temporal counts, see attempts.py.
ATTEMPT_METADATA: Final = "moose-attempt"

#: Set on an output whose attempt has ingested, by the field of its `Tally`, where that has any: JSON.
TALLY_METADATA: Final[Mapping[str, str]] = {
    "stored": "moose-ingested",
    "rejected": "moose-rejected",
    "set_aside": "moose-set-aside",
}

_JSON_METADATA: Final[Mapping[str, bytes]] = {"encoding": b"json/plain"}


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Frontier(_Message):
    """What an earlier part of a long run left behind.

    `outputs` names the packed outputs in the third argument. `failure` is the first failed task's, in Temporal's form,
    and `parked` has those of the parked tasks by name; `is_given_up` if somebody let parked tasks fail, which ends the
    run for good, and `reason` why, if they said so. `kept` is what a resumed run began with, if that is not
    `completed`: there its retry begins.
    """

    completed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    failure: str | None = None
    parked: Mapping[str, str | None] = {}
    is_paused: bool = False
    is_given_up: bool = False
    reason: str | None = None
    kept: tuple[str, ...] | None = None

    @property
    def begin(self) -> tuple[str, ...]:
        """The tasks with which a resumed run began."""
        return self.completed if self.kept is None else self.kept


class Envelope(_Message):
    """The second argument of a run: its plan, and its frontier if it goes on where another run left off.

    That is the earlier part of a long run, or, if it `is_resumed`, a run that failed; the outputs that a resumed run
    keeps are its begin, also for its own retries. `origin` is the run id with which that work began.
    """

    plan: Plan
    frontier: Frontier | None = None
    is_resumed: bool = False
    origin: str | None = None


class Call(_Message):
    """The first argument of a task: which one, what its values are, and how far its attempts may go.

    `origin` is the run id with which the work began, where that is not this run's: it resumes another one, or goes on.
    """

    task: str
    source: Source
    timeout: timedelta | None
    retries: int
    retrying: Retrying = Retrying()
    total_timeout: timedelta | None = None
    queue_timeout: timedelta | None = None
    is_packed: bool = False
    scheduled_time: datetime | None = None
    origin: str | None = None


class Order(_Message):
    """The argument of a signal about a task, and of one about the run: why, for those who read the history."""

    task: str = ""
    reason: str | None = None


class AttemptsUsed(_Message):
    """The heartbeat details of a task: how many attempts it has used up, and how many ended without using one.

    Those are `excused` for a reason that is not the task's, and `postponed` where it asked to be run again later.
    `held_up_by` says what blocks the event loop of the attempt that runs; `None` if nothing does.
    """

    used: int = 0
    excused: int = 0
    postponed: int = 0
    held_up_by: str | None = None


_ORDER: Final = TypeAdapter[Order](
    Annotated[Order, BeforeValidator(lambda given: {"task": given} if isinstance(given, str) else given)]
)


def call_of(
    task: PlannedTask, *, is_packed: bool, scheduled_time: datetime | None = None, origin: str | None = None
) -> Call:
    """The call of a task of a plan."""
    return Call(
        task=task.name,
        source=task.source,
        timeout=task.timeout,
        retries=task.retries,
        retrying=task.retrying,
        total_timeout=task.total_timeout,
        queue_timeout=task.queue_timeout,
        is_packed=is_packed,
        scheduled_time=scheduled_time,
        origin=origin,
    )


def activity_type(workflow: str, task: str) -> str:
    """The activity type under which a task runs."""
    return f"{workflow}/{task}"


def task_of(activity: str) -> tuple[str, str]:
    """The workflow and the task of an activity type; a workflow's name has no slash."""
    workflow, _, task = activity.partition("/")
    return workflow, task


def json_value(data: bytes | None) -> RawValue:
    """A payload of JSON that is JSON already; `None` stands for `null`."""
    return RawValue(Payload(metadata=_JSON_METADATA, data=b"null" if data is None else data))


def bytes_value(data: bytes) -> RawValue:
    """A payload of bytes that only we read."""
    return RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=data))


def by_reference(value: RawValue) -> RawValue:
    """The same value, to be stored outside of the history though it is small."""
    payload = Payload(metadata=value.payload.metadata, data=value.payload.data)
    payload.metadata[BY_REFERENCE] = b"true"
    return RawValue(payload)


def encode(message: BaseModel, *, is_terse: bool = False) -> RawValue:
    """A payload of one of the messages of this module; a terse one leaves out what has its default."""
    return json_value(message.model_dump_json(exclude_defaults=is_terse).encode())


def read_envelope(data: bytes | None) -> Envelope | None:
    """The envelope, or `None` where a foreign client passed something else or nothing."""
    try:
        return None if data is None else _envelope(data)
    except ValidationError:
        return None


@lru_cache(maxsize=16)
def _envelope(data: bytes) -> Envelope:
    """Read once what all runs of a workflow begin with."""
    return Envelope.model_validate_json(data)


@lru_cache(maxsize=1024)
def read_call(data: bytes) -> Call:
    """The call of a task, which is the same in most runs; ValidationError if it is none."""
    return Call.model_validate_json(data)


def read_order(data: bytes | None) -> Order | None:
    """The argument of a signal about a task; its bare name will do. `None` where it is neither."""
    try:
        return None if data is None else _ORDER.validate_json(data)
    except ValidationError:
        return None


def json_of(value: RawValue) -> bytes | None:
    """The JSON of a value, from whichever client; `None` where it is no JSON.

    Temporal's SDKs send an absent value as `binary/null`.
    """
    encoding = value.payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return b"null"
    return value.payload.data if encoding.startswith(b"json/") else None
