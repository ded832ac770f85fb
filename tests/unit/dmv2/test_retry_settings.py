"""How a task is tried again, and how long it may take: what is taken, and what is refused with which words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib import InvalidDefinition, MooseError, RetryLater, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.errors import InvalidDuration


class Order(BaseModel):
    number: int


def charge(order: Order) -> None: ...


def declared(**settings: Any) -> Task[Order, None]:  # Any: mistakes of all kinds
    return Task[Order, None](name="charge", config=TaskConfig(run=charge, **settings))


def told(**settings: Any) -> list[str]:  # Any: as above
    with pytest.raises(InvalidDefinition) as caught:
        declared(**settings)
    assert {fault.location.file for fault in caught.value.faults if fault.location} == {__file__}
    return [f"{fault.message} ({fault.hint})" for fault in caught.value.faults]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"retry_delay": "2s", "retry_backoff": 2.0, "retry_max_delay": "1m", "retry_jitter": 0.1},
        {"retry_delay": "5m"},
        {"retry_backoff": 1, "retry_jitter": 0},
        {"retry_jitter": 1},
        {"retry_delay": "1m", "retry_max_delay": "1m"},
        {"no_retry_for": (ValueError, KeyError)},
        {"no_retry_for": [ValueError]},
        {"total_timeout": "1h", "queue_timeout": "5m", "timeout": "1h"},
        {"total_timeout": "never", "queue_timeout": "never"},
        {"total_timeout": "5s", "retry_delay": "10s", "retries": 0},
        {"on_failure": "park"},
        {"on_failure": "fail"},
    ],
)
def test_settings_that_are_right(settings: dict[str, Any]) -> None:
    assert declared(**settings).config_faults() == []


_DURATION = 'write "30s", "5m", "1h30m", "1d" or "never"'


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"retry_delay": "-2s"}, f"retry_delay '-2s' is not a duration: it is negative ({_DURATION})"),
        ({"retry_delay": 2}, f"retry_delay 2 is not a duration: 2 of which unit? ({_DURATION})"),
        ({"retry_delay": "never"}, """retry_delay 'never' is no time to wait (write a duration, as "10s")"""),
        (
            {"retry_delay": "5m", "retry_max_delay": "1m"},
            "retry_max_delay '1m' is shorter than retry_delay '5m' (set retry_delay to no more than retry_max_delay)",
        ),
        (
            {"retry_max_delay": "500ms"},
            (
                "retry_max_delay '500ms' is shorter than retry_delay '1s', which is what it is where it is not set "
                "(set retry_delay to no more than retry_max_delay)"
            ),
        ),
        (
            {"retry_backoff": 0.5},
            (
                "retry_backoff 0.5 is not a number from 1 "
                "(1 means: every delay as long as the first; 2: each twice as long)"
            ),
        ),
        (
            {"retry_jitter": 1.5},
            "retry_jitter 1.5 is not a number from 0 to 1 (0.1 means: each delay is up to 10 % longer or shorter)",
        ),
        (
            {"retry_jitter": True},
            "retry_jitter True is not a number from 0 to 1 (0.1 means: each delay is up to 10 % longer or shorter)",
        ),
        (
            {"no_retry_for": ValueError},
            "no_retry_for is ValueError, which is not a tuple (write no_retry_for=(ValueError,))",
        ),
        (
            {"no_retry_for": "ValueError"},
            "no_retry_for is 'ValueError', which is not a tuple (write no_retry_for=(ValueError,))",
        ),
        (
            {"no_retry_for": ("ValueError",)},
            "no_retry_for holds 'ValueError', which is not an exception class (name classes, as ValueError)",
        ),
        (
            {"timeout": "10m", "total_timeout": "5m"},
            (
                "timeout '10m' is longer than total_timeout '5m', which limits all attempts together "
                "(set total_timeout to no less than timeout)"
            ),
        ),
        (
            {"queue_timeout": "5m", "total_timeout": "5m"},
            (
                "queue_timeout '5m' is not shorter than total_timeout '5m', which covers it "
                "(set a shorter queue_timeout, or none)"
            ),
        ),
        (
            {"retry_delay": "10s", "total_timeout": "10s"},
            (
                "retry_delay '10s' is not shorter than total_timeout '10s', so no retry is in time "
                "(set a longer total_timeout, or retries=0)"
            ),
        ),
        ({"queue_timeout": "0s"}, f"queue_timeout '0s' is not a duration: shorter than a millisecond ({_DURATION})"),
        ({"on_failure": "wait"}, """on_failure is 'wait' (write "fail" or "park")"""),
    ],
)
def test_a_wrong_setting_is_told_where_the_task_is_declared(settings: dict[str, Any], text: str) -> None:
    assert told(**settings) == [f"task 'charge': {text}"]


def test_all_mistakes_are_told_together() -> None:
    assert len(told(retry_delay="soon", retry_backoff=0, retry_jitter=-1, no_retry_for=(1,), on_failure="stop")) == 5


def test_what_the_workflow_says_about_failed_tasks_is_checked() -> None:
    wrong: Any = "stop"  # Any: what the types refuse
    with pytest.raises(InvalidDefinition) as caught:
        Workflow(name="Orders", config=WorkflowConfig(starting_task=declared(), on_task_failure=wrong))
    assert [fault.message for fault in caught.value.faults] == ["workflow 'Orders': on_task_failure is 'stop'"]


@pytest.mark.parametrize(
    ("delay", "text"),
    [
        ("10m", "asked to be run again in 10m"),
        (timedelta(minutes=10), "asked to be run again in 10m"),
        (timedelta(seconds=1, microseconds=1), "asked to be run again in 1s1ms"),
        (timedelta(seconds=-5), "asked to be run again in 1ms"),
    ],
)
def test_a_handler_asks_for_a_delay(delay: str | timedelta, text: str) -> None:
    """Computed spans are finer than milliseconds, and may be over already."""
    assert str(RetryLater(delay)) == text


def test_a_handler_says_why_it_cannot_go_on() -> None:
    asked = RetryLater("10m", "the bank is closed")
    assert (str(asked), asked.delay) == (
        "asked to be run again in 10m: the bank is closed",
        timedelta(minutes=10),
    )
    assert isinstance(asked, MooseError)


@pytest.mark.parametrize("delay", ["soon", "never", ""])
def test_what_is_not_a_delay_is_refused_in_the_handler(delay: str) -> None:
    with pytest.raises(InvalidDuration):
        RetryLater(delay)
