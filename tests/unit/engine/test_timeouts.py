"""Temporal's own timeouts, which it reports where no worker does, in the words of the limit that was over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from moose_lib.engine.failures import FailureDetail, WorkerLost, read_timeout
from moose_lib.plan.model import PlannedTask, Source

MINUTE = timedelta(minutes=1)


def planned(*, queue: timedelta | None = None, total: timedelta | None = None) -> PlannedTask:
    return PlannedTask(
        name="charge",
        source=Source(kind="nothing"),
        timeout=MINUTE,
        retries=3,
        queue_timeout=queue,
        total_timeout=total,
    )


def timeout(kind: TimeoutType, used: int = 0) -> TemporalTimeoutError:
    notes = [{"used": used}] if used else []
    return TemporalTimeoutError("activity timeout", type=kind, last_heartbeat_details=notes)


@pytest.mark.parametrize(
    ("kind", "task", "summary", "reason", "attempt"),
    [
        (
            TimeoutType.SCHEDULE_TO_START,
            planned(queue=5 * MINUTE),
            "QueueTimedOut: no worker took the task within 5m (queue_timeout)",
            "queue",
            2,
        ),
        (
            TimeoutType.SCHEDULE_TO_START,
            planned(total=5 * MINUTE),
            "TotalTimedOut: total_timeout of 5m is over after 2 attempts",
            "timeout",
            2,
        ),
        (
            TimeoutType.SCHEDULE_TO_CLOSE,
            planned(queue=MINUTE, total=5 * MINUTE),
            "TotalTimedOut: total_timeout of 5m is over after 2 attempts",
            "timeout",
            2,
        ),
        (
            TimeoutType.START_TO_CLOSE,
            planned(),
            "TaskTimedOut: took longer than its timeout of 1m",
            "timeout",
            3,
        ),
        (TimeoutType.HEARTBEAT, planned(), "WorkerLost: its worker went away", "lost", 3),
    ],
)
def test_each_limit_has_its_words(
    kind: TimeoutType, task: PlannedTask, summary: str, reason: str, attempt: int
) -> None:
    detail = read_timeout(timeout(kind, used=2), task)
    assert (detail.summary, detail.kind, detail.attempt, detail.task) == (summary, reason, attempt, "charge")


def test_a_worker_that_was_lost_before_is_told_in_our_words() -> None:
    """Temporal's own are `activity Heartbeat timeout`."""
    error = timeout(TimeoutType.SCHEDULE_TO_START)
    error.__cause__ = timeout(TimeoutType.HEARTBEAT)

    detail = read_timeout(error, planned(queue=MINUTE))
    assert detail.message == (
        "no worker took the task within 1m (queue_timeout); the last attempt: its worker went away"
    )


def test_the_last_attempt_is_told_with_its_traceback() -> None:
    last = FailureDetail(class_name="shop.Declined", message="no funds", traceback="Traceback: no funds")
    error = timeout(TimeoutType.SCHEDULE_TO_START, used=1)
    error.__cause__ = ApplicationError("no funds", last.model_dump(mode="json", by_alias=True))

    detail = read_timeout(error, planned(queue=MINUTE))
    assert detail.message == ("no worker took the task within 1m (queue_timeout); the last attempt: Declined: no funds")
    assert detail.traceback == "Traceback: no funds"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (TimeoutType.START_TO_CLOSE, "took longer than its timeout"),
        (TimeoutType.SCHEDULE_TO_START, "no worker took the task in time"),
        (TimeoutType.SCHEDULE_TO_CLOSE, "total_timeout is over"),
    ],
)
def test_without_the_plan_the_limit_is_not_known(kind: TimeoutType, text: str) -> None:
    detail = read_timeout(timeout(kind), None)
    assert (detail.message, detail.task) == (text, None)


def test_a_task_that_no_worker_survives_says_so() -> None:
    assert str(WorkerLost(1)) == "its worker went away"
    assert str(WorkerLost(10)) == ("10 workers went away while they ran this task; does it use up the memory, or exit?")
