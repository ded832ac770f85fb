"""Temporal's failures in, our errors out: the user's class, message and traceback, or what happened instead."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, CancelledError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from moose_lib.engine.failures import FailureDetail, read_failure
from moose_lib.operations.records import RunError, TaskError

__all__ = ["read_run_error", "read_task_error"]

_TIMEOUTS = {
    TimeoutType.START_TO_CLOSE: ("TaskTimedOut", "took longer than its timeout"),
    TimeoutType.HEARTBEAT: ("WorkerLost", "its worker went away"),
    TimeoutType.SCHEDULE_TO_START: ("NoWorker", "no worker took it up in time"),
    TimeoutType.SCHEDULE_TO_CLOSE: ("TaskTimedOut", "took longer than its timeout, attempts included"),
}


async def read_task_error(converter: DataConverter, failure: Failure) -> TaskError:
    """Return why an attempt failed."""
    return _task_error(await _decode(converter, failure))


async def read_run_error(converter: DataConverter, failure: Failure) -> RunError:
    """Return why a run failed."""
    error = await _decode(converter, failure)
    detail = read_failure(error)
    return RunError(error=_task_error(error), task=detail.task, tasks=detail.tasks)


async def _decode(converter: DataConverter, failure: Failure) -> BaseException:
    copy = Failure()
    copy.CopyFrom(failure)  # a codec may change it in place
    return await converter.decode_failure(copy)


def _task_error(error: BaseException) -> TaskError:
    if isinstance(error, ActivityError) and error.cause is not None:
        return _task_error(error.cause)
    if isinstance(error, TemporalTimeoutError) and error.type is not None:
        class_name, message = _TIMEOUTS[error.type]
        kind = "lost" if error.type is TimeoutType.HEARTBEAT else "timeout"
        return TaskError(class_name=class_name, message=message, kind=kind)
    if isinstance(error, CancelledError):
        return TaskError(class_name="Canceled", message=error.message, kind="canceled", is_retryable=False)
    return _from_detail(read_failure(error))


def _from_detail(detail: FailureDetail) -> TaskError:
    return TaskError(
        class_name=detail.class_name,
        message=detail.message,
        traceback=detail.traceback,
        kind=detail.kind,
        attempt=detail.attempt,
        is_retryable=detail.is_retryable,
    )
