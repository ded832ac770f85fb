"""How long to wait before the next attempt, which errors end a task, and how long all of it may take."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from moose_lib import RetryLater, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.testing import LocalRun, run_local


class Transfer(BaseModel):
    account: str


async def send(ctx: TaskContext[Transfer]) -> None:
    if ctx.input.account == "slow":
        await asyncio.sleep(3600)


send_task = Task[Transfer, None](
    name="send",
    config=TaskConfig(
        run=send,
        retries=5,
        retry_delay="2s",  # before the first retry; unset: 1s
        retry_backoff=3,  # each further wait is three times as long; unset: 2
        retry_max_delay="10s",  # but no longer than this; unset: 100s
        no_retry_for=(KeyError, PermissionError),  # and their subclasses
        total_timeout="5m",  # everything together: attempts, waits, and waiting for a worker
        queue_timeout="1m",  # each wait for a worker
    ),
)
transfer = Workflow(name="GuideTransfer", config=WorkflowConfig(starting_task=send_task))


def started(run: LocalRun) -> list[float]:
    return [attempt.started.total_seconds() for attempt in run.task("send").attempts]


def test_the_waits_between_attempts_are_yours() -> None:
    """2 s, 6 s, then 10 s each; `retry_jitter=0.1` would make each up to 10 % longer or shorter."""
    run = run_local(transfer, Transfer(account="a"), fail={"send": 4})

    assert started(run) == [0, 2, 8, 18, 28]


def test_some_exceptions_end_the_task_at_once() -> None:
    """Those in `no_retry_for` need not be yours, unlike `NonRetryableError`."""
    run = run_local(transfer, Transfer(account="a"), fakes={"send": PermissionError("account is closed")})

    assert str(run.error) == "task 'send' failed: PermissionError: account is closed"
    assert len(run.task("send").attempts) == 1


def test_a_task_may_ask_to_be_run_again_later() -> None:
    """`RetryLater` is no failure: it uses up no attempt, and the wait is exactly the one that was asked for."""
    closed = RetryLater("2m", "the bank is closed")
    run = run_local(transfer, Transfer(account="a"), fail={"send": [closed, closed]})

    assert run.state == "completed"
    assert started(run) == [0, 120, 240]
    assert [attempt.number for attempt in run.task("send").attempts] == [1, 1, 1]


def test_a_wait_that_would_be_too_long_is_not_waited_for() -> None:
    """The last error is kept as the cause."""
    run = run_local(transfer, Transfer(account="a"), fail={"send": [RetryLater("10m", "the bank is closed")]})

    assert run.duration == timedelta(0)
    assert run.error is not None
    assert run.error.message == (
        "total_timeout of 5m leaves no time for another attempt in 10m, after 1 attempt; "
        "the last one: RetryLater: asked to be run again in 10m: the bank is closed"
    )


def test_total_timeout_covers_all_attempts() -> None:
    """`timeout` is for one attempt; when `total_timeout` is over, the one that runs is stopped as by a `timeout`."""
    run = run_local(transfer, Transfer(account="slow"))

    assert run.duration == timedelta(minutes=5)
    assert str(run.error) == "task 'send' failed: TotalTimedOut: total_timeout of 5m is over after 1 attempt"
