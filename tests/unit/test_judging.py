"""What follows an attempt that failed: the same decision for workers and local runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moose_lib import NonRetryableError, RetryLater
from moose_lib.calling import Tried, Verdict, judge
from moose_lib.errors import InvalidOutput, QueueTimedOut, TaskTimedOut, TotalTimedOut
from moose_lib.plan.model import PlannedTask, Source
from moose_lib.plan.retrying import Retrying, time_limit

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class Declined(NonRetryableError):
    pass


def planned(
    *, retries: int = 3, timeout: timedelta | None = None, total: timedelta | None = None, backoff: float = 2
) -> PlannedTask:
    return PlannedTask(
        name="charge",
        source=Source(kind="nothing"),
        timeout=timeout,
        retries=retries,
        retrying=Retrying(backoff=backoff),
        total_timeout=total,
    )


def after(
    error: BaseException,
    task: PlannedTask,
    attempts: int = 1,
    elapsed: timedelta = SECOND,
    no_retry_for: tuple[type[BaseException], ...] = (),
) -> Verdict:
    return judge(error, task, Tried(attempts=attempts, elapsed=elapsed), no_retry_for)


def test_another_attempt_follows_while_there_are_some() -> None:
    error = OSError("disk")
    assert [after(error, planned(retries=2), attempts).delay for attempts in (1, 2, 3)] == [SECOND, 2 * SECOND, None]
    assert after(error, planned(retries=0)) == Verdict(error=error, delay=None)


@pytest.mark.parametrize(
    ("error", "classes"),
    [
        (Declined("no funds"), ()),
        (InvalidOutput("charge", "Receipt", []), ()),
        (KeyError("order"), (LookupError,)),
        (TaskTimedOut("1m"), (TimeoutError,)),
        (RetryLater("10m"), (RetryLater,)),
    ],
)
def test_what_ends_a_task_at_once(error: BaseException, classes: tuple[type[BaseException], ...]) -> None:
    """And the run is not started again for it either."""
    verdict = after(error, planned(), no_retry_for=classes)
    assert verdict == Verdict(error=error, delay=None, is_retryable=False)


def test_a_task_that_asks_for_more_time_gets_it() -> None:
    """Also on what would have been its last attempt."""
    asked = RetryLater("10m")
    assert after(asked, planned(retries=0)) == Verdict(error=asked, delay=10 * MINUTE, is_postponed=True)


@pytest.mark.parametrize("error", [OSError("disk"), RetryLater("1s", "closed")])
def test_an_attempt_that_would_come_too_late_is_not_waited_for(error: Exception) -> None:
    verdict = after(error, planned(total=MINUTE), elapsed=59 * SECOND)
    assert isinstance(verdict.error, TotalTimedOut)
    assert verdict.error.__cause__ is error
    assert str(verdict.error) == (
        f"total_timeout of 1m leaves no time for another attempt in 1s, after 1 attempt; "
        f"the last one: {type(error).__name__}: {error}"
    )
    assert (verdict.delay, verdict.is_retryable, verdict.is_postponed) == (None, True, False)


def test_an_attempt_that_comes_in_time_is_waited_for() -> None:
    assert after(OSError("disk"), planned(total=MINUTE), elapsed=58 * SECOND).delay == SECOND


def test_the_last_error_is_told_where_no_attempt_is_left_anyway() -> None:
    error = OSError("disk")
    assert after(error, planned(retries=0, total=MINUTE), elapsed=MINUTE).error is error


@pytest.mark.parametrize("error", [TotalTimedOut("1m", attempts=2), QueueTimedOut("1m")])
def test_a_limit_that_is_over_stays_over(error: Exception) -> None:
    assert after(error, planned()) == Verdict(error=error, delay=None)


@pytest.mark.parametrize(
    ("timeout", "total", "elapsed", "time", "text"),
    [
        (MINUTE, None, SECOND, MINUTE, "took longer than its timeout of 1m"),
        (MINUTE, 2 * MINUTE, SECOND, MINUTE, "took longer than its timeout of 1m"),
        (MINUTE, 2 * MINUTE, 90 * SECOND, 30 * SECOND, "total_timeout of 2m is over after 3 attempts"),
        (None, 2 * MINUTE, 90 * SECOND, 30 * SECOND, "total_timeout of 2m is over after 3 attempts"),
        (None, MINUTE, 90 * SECOND, -30 * SECOND, "total_timeout of 1m is over after 3 attempts"),
    ],
)
def test_what_is_left_for_an_attempt(
    timeout: timedelta | None, total: timedelta | None, elapsed: timedelta, time: timedelta, text: str
) -> None:
    limit = time_limit(planned(timeout=timeout, total=total), attempt=3, elapsed=elapsed)
    assert limit is not None
    assert (limit.time, str(limit.error)) == (time, text)


def test_a_task_without_limits_has_none() -> None:
    assert time_limit(planned(), attempt=1, elapsed=MINUTE) is None


def test_a_limit_is_told_before_any_attempt() -> None:
    assert str(TotalTimedOut("5s", attempts=0)) == (
        "total_timeout of 5s is over before any attempt: no worker took the task"
    )
