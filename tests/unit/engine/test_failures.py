"""A user's exception keeps its class, message and traceback, within what Temporal carries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError, CancelledError, FailureError

from moose_lib import NonRetryableError
from moose_lib.calling import Tried, judge
from moose_lib.engine import wire
from moose_lib.engine.failures import FailureDetail, TaskFailure, describe, failure_of, read_failure, run_failure
from moose_lib.engine.payloads import converter_for
from moose_lib.errors import FieldFault, InvalidInput, ValueTooLarge
from moose_lib.plan.model import Source


class OutOfStock(Exception):
    """A user's own exception."""


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def ended(error: BaseException, *, retries: int) -> TaskFailure:
    """What a first attempt ends with."""
    limits = wire.Call(task="a", source=Source(kind="nothing"), timeout=None, retries=retries)
    verdict = judge(error, limits, Tried(attempts=1, elapsed=timedelta()))
    return failure_of(verdict, task="a", attempt=1)


def proto_of(failure: TaskFailure) -> Failure:
    """The failure as it is sent."""
    converter = converter_for(__file__)  # type: ignore[arg-type]  # nothing is stored
    proto = Failure()
    converter.failure_converter.to_failure(failure, converter.payload_converter, proto)
    return proto


def test_the_class_and_the_users_frames() -> None:
    """The qualified class name, the message, and a traceback with its causes."""
    try:
        try:
            raise KeyError("sku")
        except KeyError as cause:
            raise OutOfStock("none left") from cause
    except OutOfStock as error:
        detail = describe(error, task="reserve", attempt=2)
    assert detail.class_name.endswith("test_failures.OutOfStock")
    assert (detail.message, detail.task, detail.attempt, detail.kind) == ("none left", "reserve", 2, "task")
    assert detail.traceback is not None
    assert "KeyError: 'sku'" in detail.traceback
    assert 'raise OutOfStock("none left") from cause' in detail.traceback
    assert detail.summary == "OutOfStock: none left"


def test_a_builtin_exception_without_text() -> None:
    """No module for builtins, no colon without a message."""
    assert describe(ValueError(), task="t").summary == "ValueError"
    assert describe(ValueError(), task="t").class_name == "ValueError"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidInput("task 'a'", "Order", [FieldFault(path="id", reason="is missing")]), "input"),
        (ValueTooLarge("output of task 'a'", field="x", size=5, limit=4), "size"),
        (NonRetryableError("declined"), "task"),
    ],
)
def test_what_another_attempt_cannot_help(error: Exception, kind: str) -> None:
    """These end the task at once, though retries are left; there is no frame of the user's to show."""
    failure = ended(raised(error), retries=5)
    detail = read_failure(failure)
    assert failure.non_retryable
    assert (detail.kind, detail.is_retryable) == (kind, False)


def test_the_faults_of_fields_travel() -> None:
    """Path and reason of each field."""
    error = InvalidInput("task 'a'", "Order", [FieldFault(path="items.0.price", reason="is missing")])
    [fault] = describe(error, task="a").faults
    assert (fault.path, fault.reason) == ("items.0.price", "is missing")


def test_an_attempt_that_is_not_the_last_stays_under_4_kib() -> None:
    """Temporal would replace a larger failure of a task that waits for its next attempt."""
    error = raised(OutOfStock("m" * 100_000))
    failure = ended(error, retries=1)
    assert not failure.non_retryable
    assert failure.next_retry_delay is not None
    assert proto_of(failure).ByteSize() < 4096
    assert "bytes left out" in read_failure(failure).message


def test_the_last_failure_shows_the_users_traceback_in_temporals_tools() -> None:
    """The stack trace that Temporal's UI shows is the user's."""
    failure = ended(raised(OutOfStock("none")), retries=0)
    assert proto_of(failure).stack_trace.startswith("Traceback")
    assert "OutOfStock: none" in proto_of(failure).stack_trace


def test_the_failure_of_a_run_names_all_tasks() -> None:
    """The first one with its error, then the others."""
    first = FailureDetail(class_name="app.Boom", message="bad", task="b", is_retryable=False)
    failure = run_failure(("a", "b"), first, type="TaskFailed")
    assert failure.message == "task 'b' failed: Boom: bad (failed too: 'a')"
    assert failure.non_retryable
    assert read_failure(failure).tasks == ("a", "b")

    given_up = run_failure(("b",), first, type="TaskFailed", reason="he is gone")
    assert given_up.message == "task 'b' failed: Boom: bad; given up: he is gone"
    assert read_failure(given_up).message == "bad"


def test_failures_that_are_not_ours() -> None:
    """From another SDK, or from Temporal itself: what is known is told."""
    foreign = ApplicationError("boom", {"some": "detail"}, type="JavaError", non_retryable=True)
    assert read_failure(foreign) == FailureDetail(class_name="JavaError", message="boom", is_retryable=False)
    canceled: FailureError = CancelledError("stop")
    assert read_failure(canceled) == FailureDetail(class_name="CancelledError", message="stop", kind="engine")
    assert read_failure(RuntimeError("x")).message == "x"
