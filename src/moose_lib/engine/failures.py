"""A user's exception on its way through Temporal: class, message and traceback survive, our own frames do not.

Temporal drops a failure over 4 KiB while a task waits for its next attempt, so an attempt that is not the last one
carries a shortened traceback.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict
from datetime import timedelta
from typing import Final, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from moose_lib import calling
from moose_lib.dmv2.deliveries import Deliveries, Tally
from moose_lib.dmv2.retry_later import RetryLater
from moose_lib.durations import format_duration
from moose_lib.engine.attempts import read_notes
from moose_lib.errors import (
    FieldFault,
    InvalidInput,
    InvalidOutput,
    NonRetryableError,
    QueueTimedOut,
    TaskTimedOut,
    TotalTimedOut,
    ValueTooLarge,
)
from moose_lib.plan.model import PlannedTask

#: Why a task failed: its own exception, its time, the wait for a worker, its input, its output, the size of a value,
#: the store of values, its workers, or Temporal. "later" is no failure: the task asked to be run again.
Kind = Literal["task", "timeout", "queue", "later", "input", "output", "size", "value", "lost", "engine"]

_FINAL_TRACEBACK: Final = 16 * 1024
_FINAL_MESSAGE: Final = 4 * 1024
_PASSING_TRACEBACK: Final = 2 * 1024
_PASSING_MESSAGE: Final = 512
_SHOWN_FAULTS: Final = 100


class FieldDetail(BaseModel):
    """One field that did not fit its model."""

    model_config = ConfigDict(frozen=True)

    path: str
    reason: str


class FailureDetail(BaseModel):
    """The first detail of a failure of ours; `attempt` is the task's own count, `is_retryable` what the error says.

    `ingested`, `rejected` and `set_aside` are the `Tally` of what the last attempt sent all the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    class_name: str = Field(validation_alias=AliasChoices("class", "class_name"), serialization_alias="class")
    message: str
    traceback: str | None = None
    task: str | None = None
    tasks: tuple[str, ...] = ()
    kind: Kind = "task"
    faults: tuple[FieldDetail, ...] = ()
    attempt: int = 1
    is_retryable: bool = True
    ingested: Mapping[str, int] = {}
    rejected: Mapping[str, int] = {}
    set_aside: Mapping[str, int] = {}

    @property
    def tally(self) -> Tally:
        """What the attempt sent."""
        return Tally(stored=self.ingested, rejected=self.rejected, set_aside=self.set_aside)

    def with_tally(self, tally: Tally) -> FailureDetail:
        """The same with what was sent."""
        told = {"ingested": tally.stored, "rejected": tally.rejected, "set_aside": tally.set_aside}
        return self.model_copy(update=told)

    @property
    def summary(self) -> str:
        """`ValueError: bad`, as Python writes it."""
        name = self.class_name.rpartition(".")[2]
        return f"{name}: {self.message}" if self.message else name


class TaskFailure(ApplicationError):
    """A failure with a detail of ours; `stack_trace` is what Temporal's own tools show."""

    def __init__(
        self,
        message: str,
        detail: FailureDetail,
        *,
        type: str,
        is_last: bool,
        delay: timedelta | None = None,
    ) -> None:
        data = detail.model_dump(mode="json", by_alias=True)
        super().__init__(message, data, type=type, non_retryable=is_last, next_retry_delay=delay)
        self.stack_trace = (detail.traceback or "") if is_last else ""


#: What the attempt of this activity sent before it was canceled.
sent_before_cancel: ContextVar[Tally | None] = ContextVar("sent_before_cancel", default=None)


class FailureConverter(DefaultFailureConverter):
    """Temporal's converter, but the stack trace of our failures is the user's, and a canceled task tells what it sent.

    That cannot be said by the exception: the SDK makes its own when an activity is canceled.
    """

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Fill `failure` from `exception`."""
        tally = sent_before_cancel.get()
        if isinstance(exception, CancelledError) and tally:
            exception = CancelledError(exception.message, asdict(tally))
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, TaskFailure):
            failure.stack_trace = exception.stack_trace


class WorkerLost(NonRetryableError):
    """A task was handed out again and again, and no worker survived it."""

    def __init__(self, losses: int) -> None:
        several = f"{losses} workers went away while they ran this task; does it use up the memory, or exit?"
        super().__init__("its worker went away" if losses == 1 else several)


def failure_of(
    verdict: calling.Verdict, *, task: str, attempt: int, deliveries: Deliveries | None = None
) -> TaskFailure:
    """The failure with which an attempt ends; it says whether it was the last one, and then what was ingested."""
    is_last = verdict.delay is None
    detail = describe(verdict.error, task=task, attempt=attempt, is_brief=not is_last)
    sent = deliveries.tally if is_last and deliveries is not None else Tally()
    return TaskFailure(
        detail.message or detail.summary,
        detail.model_copy(update={"is_retryable": verdict.is_retryable}).with_tally(sent),
        type=type(verdict.error).__name__,
        is_last=is_last,
        delay=verdict.delay,
    )


def describe(error: BaseException, *, task: str | None, attempt: int = 1, is_brief: bool = False) -> FailureDetail:
    """What a user wants to know about an exception of theirs."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return FailureDetail(
        class_name=f"{module}{kind.__qualname__}",
        message=_shorten(_text(error), _PASSING_MESSAGE if is_brief else _FINAL_MESSAGE),
        traceback=_shorten(_users_traceback(error), _PASSING_TRACEBACK if is_brief else _FINAL_TRACEBACK) or None,
        task=task,
        kind=_kind(error),
        faults=_faults(error, 3 if is_brief else _SHOWN_FAULTS),
        attempt=attempt,
        is_retryable=calling.is_retryable(error),
    )


def read_failure(error: BaseException, task: PlannedTask | None = None) -> FailureDetail:
    """What is known about a failure that came back from Temporal, whoever made it; `task` tells its limits."""
    if isinstance(error, ActivityError) and isinstance(error.cause, TemporalTimeoutError):
        return read_timeout(error.cause, task)
    if isinstance(error, ActivityError) and error.cause is not None:
        return read_failure(error.cause)
    if isinstance(error, ApplicationError) and error.details:
        try:
            return FailureDetail.model_validate(error.details[0])
        except ValidationError:
            pass
    if isinstance(error, ApplicationError):
        return FailureDetail(
            class_name=error.type or "ApplicationError", message=error.message, is_retryable=not error.non_retryable
        )
    message = error.message if isinstance(error, FailureError) else _text(error)
    return FailureDetail(class_name=type(error).__name__, message=message, kind="engine")


def read_timeout(error: TemporalTimeoutError, task: PlannedTask | None) -> FailureDetail:
    """Temporal's own word on a task that no worker reports on; its type says which limit was over."""
    used = read_notes(error.last_heartbeat_details).used
    last = None if error.cause is None else _last_attempt(error.cause, task)
    name = None if task is None else task.name
    over = _over(error.type, task, used)
    text = _UNMEASURED.get(type(over), str(over)) if task is None else str(over)
    return FailureDetail(
        class_name=f"{type(over).__module__}.{type(over).__qualname__}",
        message=text + ("" if last is None else f"; the last attempt: {_told_in_passing(last)}"),
        traceback=None if last is None else last.traceback,
        task=name,
        kind=_kind(over),
        attempt=used if isinstance(over, QueueTimedOut | TotalTimedOut) else used + 1,
    )


def _last_attempt(error: BaseException, task: PlannedTask | None) -> FailureDetail:
    """Why the attempt before failed; its worker may have been lost as well."""
    return read_timeout(error, task) if isinstance(error, TemporalTimeoutError) else read_failure(error)


def _told_in_passing(last: FailureDetail) -> str:
    return last.message if last.kind == "lost" else last.summary


def _over(kind: TimeoutType | None, task: PlannedTask | None, used: int) -> Exception:
    queue, total = (None, None) if task is None else (task.queue_timeout, task.total_timeout)
    match kind:
        case TimeoutType.SCHEDULE_TO_START if queue is not None or total is None:
            return QueueTimedOut(format_duration(queue))
        case TimeoutType.SCHEDULE_TO_START | TimeoutType.SCHEDULE_TO_CLOSE:
            return TotalTimedOut(format_duration(total), attempts=used)
        case TimeoutType.HEARTBEAT:
            return WorkerLost(1)
        case _:
            return TaskTimedOut(format_duration(None if task is None else task.timeout))


#: Where the plan is not at hand, which says how long the limit is.
_UNMEASURED: Final[Mapping[type[Exception], str]] = {
    QueueTimedOut: "no worker took the task in time",
    TotalTimedOut: "total_timeout is over",
    TaskTimedOut: "took longer than its timeout",
}


def run_failure(failed: tuple[str, ...], first: FailureDetail, *, type: str, reason: str | None = None) -> TaskFailure:
    """The failure of a run whose tasks `failed`; `first` is what happened to the one that failed first.

    `reason` is why somebody gave parked tasks up, for those who read it in Temporal's own tools.
    """
    task = first.task if first.task is not None else failed[0]
    others = [name for name in failed if name != task]
    more = f" (failed too: {', '.join(map(repr, others[:10]))})" if others else ""
    detail = first.model_copy(update={"task": task, "tasks": failed}).with_tally(Tally())
    given_up = "" if reason is None else f"; given up: {_shorten(reason, _PASSING_MESSAGE)}"
    message = f"task {task!r} failed: {first.summary}{more}{given_up}"
    return TaskFailure(message, detail, type=type, is_last=not first.is_retryable)


def _kind(error: BaseException) -> Kind:
    match error:
        case InvalidInput():
            return "input"
        case InvalidOutput():
            return "output"
        case ValueTooLarge():
            return "size"
        case TaskTimedOut() | TotalTimedOut():
            return "timeout"
        case QueueTimedOut():
            return "queue"
        case RetryLater():
            return "later"
        case WorkerLost():
            return "lost"
        case _:
            return "task"


def _faults(error: BaseException, shown: int) -> tuple[FieldDetail, ...]:
    faults: tuple[FieldFault, ...] = error.faults if isinstance(error, InvalidInput | InvalidOutput) else ()
    return tuple(FieldDetail(path=fault.path[:200], reason=fault.reason[:300]) for fault in faults[:shown])


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001  # a user's __str__ may raise anything, and the failure must still be told
        return f"<its __str__ raised {type(broken).__name__}>"


def _users_traceback(error: BaseException) -> str:
    kept = calling.users_frames(error)
    if kept is None and error.__cause__ is None:
        return ""
    return "".join(traceback.format_exception(type(error), error, kept))


def _shorten(text: str, limit: int) -> str:
    """At most about `limit` bytes: the begin, and more of the end, which says most."""
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return data.decode()
    head, tail = limit // 3, limit - limit // 3
    left_out = len(data) - limit
    begin, end = data[:head].decode(errors="ignore"), data[-tail:].decode(errors="ignore")
    return f"{begin}\n… {left_out:,} bytes left out …\n{end}"
