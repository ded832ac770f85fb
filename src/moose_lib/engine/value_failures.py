"""What becomes of a task or a run whose large values cannot be read."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

from moose_lib.engine.failures import FailureConverter, FailureDetail, TaskFailure
from moose_lib.errors import MooseError, StoreUnreachable

__all__ = ["ValueFailureConverter", "ValueMissing"]


class ValueMissing(MooseError, TaskFailure):
    """A stored value is not there, or is not what was stored; `task` is the one that had returned it.

    It is a failure of Temporal's too: the SDK tries for ever to read a run's values, unless the reader says so.
    """

    def __init__(self, place: str, reason: str, task: str | None) -> None:
        self.place = place
        self.hint = "all workers and clients of a project need the same [values], and runs need theirs until they end"
        whose = "a value" if task is None else f"the output of task {task!r}"
        message = f"{whose} cannot be read: {place} {reason}"
        detail = FailureDetail(class_name="ValueMissing", message=message, kind="value", is_retryable=False)
        TaskFailure.__init__(self, message, detail, type="ValueMissing", is_last=True)


class ValueFailureConverter(FailureConverter):
    """Tells the store's own failures, where the SDK says no more than that arguments cannot be decoded."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Fill `failure` from `exception`."""
        super().to_failure(_unwrapped(exception), payload_converter, failure)


def _unwrapped(error: BaseException) -> BaseException:
    cause = error.__cause__ if isinstance(error, ApplicationError) else error
    if isinstance(cause, StoreUnreachable):
        detail = FailureDetail(class_name="StoreUnreachable", message=cause.message, kind="value")
        return TaskFailure(cause.message, detail, type="StoreUnreachable", is_last=False)
    return cause if isinstance(cause, ValueMissing) else error
