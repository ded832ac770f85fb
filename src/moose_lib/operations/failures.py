"""Temporal's failures in, our errors out: the user's class, message and traceback, or what happened instead."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from moose_lib.engine.failures import FailureDetail, read_failure, read_timeout
from moose_lib.operations.records import RunError, TaskError
from moose_lib.plan.model import PlannedTask

__all__ = ["read_run_error", "read_task_error"]


async def read_task_error(converter: DataConverter, failure: Failure, task: PlannedTask | None = None) -> TaskError:
    """Return why an attempt failed; `task` tells the limits that may have been over."""
    return _task_error(await _decode(converter, failure), task)


async def read_run_error(converter: DataConverter, failure: Failure) -> RunError:
    """Return why a run failed."""
    error = await _decode(converter, failure)
    detail = read_failure(error)
    return RunError(error=_task_error(error), task=detail.task, tasks=detail.tasks)


async def _decode(converter: DataConverter, failure: Failure) -> BaseException:
    copy = Failure()
    copy.CopyFrom(failure)  # a codec may change it in place
    return await converter.decode_failure(copy)


def _task_error(error: BaseException, task: PlannedTask | None = None) -> TaskError:
    if isinstance(error, ActivityError) and error.cause is not None:
        return _task_error(error.cause, task)
    if isinstance(error, CancelledError):
        return TaskError(class_name="Canceled", message=error.message, kind="canceled", is_retryable=False)
    detail = read_timeout(error, task) if isinstance(error, TemporalTimeoutError) else read_failure(error)
    return _from_detail(detail)


def _from_detail(detail: FailureDetail) -> TaskError:
    return TaskError(
        class_name=detail.class_name,
        message=detail.message,
        traceback=detail.traceback,
        kind=detail.kind,
        attempt=detail.attempt,
        is_retryable=detail.is_retryable,
        sent=detail.tally,
    )
