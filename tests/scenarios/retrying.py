"""How tasks are tried again, and what limits all of their attempts."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.scenarios.failures import Boom, NoInput, failed, failing, none_task, one
from tests.scenarios.scenario import Expected, Scenario, journal

from moose_lib import RetryLater


def asking(times: int, delay: str = "50ms") -> object:
    """A handler that asks for more time first, and fails in its first attempt then."""
    asked: dict[str, int] = {}

    async def run(ctx: NoInput) -> None:
        journal.note(ctx, f"{ctx.run.task} {ctx.run.attempt}")
        so_far = asked.setdefault(ctx.run.workflow_id, 0)
        asked[ctx.run.workflow_id] += 1
        if so_far < times:
            raise RetryLater(delay, "the bank is closed")
        if ctx.run.attempt == 1:
            raise Boom("no funds")

    return run


async def endless(ctx: NoInput) -> None:
    journal.note(ctx, "began")
    await asyncio.sleep(60)


def tidy_up(ctx: NoInput) -> None:
    journal.note(ctx, "tidied up")


def missing() -> None:
    raise KeyError("customer")


def delays() -> list[Scenario]:
    short: dict[str, Any] = {"retry_delay": "20ms", "retry_max_delay": "50ms", "retry_jitter": 0.5}
    return [
        one("ShortDelays", none_task("x", failing(4), retries=4, **short), Expected(tasks={"x": ("completed", 5)})),
        one(
            "ShortDelaysUsedUp",
            none_task("x", failing(9), retries=2, **short),
            failed("x", "Boom", 3, notes=["x 1", "x 2", "x 3"]),
        ),
    ]


def errors_that_end_a_task() -> list[Scenario]:
    """Subclasses count, and so does running out of time."""
    return [
        one("NotRetriedFor", none_task("x", missing, no_retry_for=(LookupError,)), failed("x", "KeyError", 1)),
        one(
            "RetriedForOthers",
            none_task("x", failing(1), no_retry_for=(LookupError,)),
            Expected(tasks={"x": ("completed", 2)}),
        ),
        one(
            "NotRetriedForTime",
            none_task("x", endless, timeout="500ms", no_retry_for=(TimeoutError,)),
            failed("x", "TaskTimedOut", 1),
        ),
        one(
            "NoSecondStartForThese",
            none_task("x", missing, no_retry_for=(KeyError,)),
            failed("x", "KeyError", 1),
            retries=2,
        ),
    ]


def asking_to_be_run_again() -> list[Scenario]:
    """It uses up no attempt: the task's only retry is still there."""
    return [
        one(
            "RunAgainLater",
            none_task("x", asking(2), retries=1),
            Expected(tasks={"x": ("completed", 2)}, notes=["x 1", "x 1", "x 1", "x 2"]),
        ),
        one(
            "RunAgainTooLate",
            none_task("x", asking(9, "10m"), total_timeout="5m"),
            failed(
                "x",
                "TotalTimedOut",
                1,
                message="total_timeout of 5m leaves no time for another attempt in 10m, after 1 attempt; "
                "the last one: RetryLater: asked to be run again in 10m: the bank is closed",
            ),
        ),
    ]


def total_timeouts() -> list[Scenario]:
    return [
        one(
            "TotalTimeoutStops",
            none_task("x", endless, total_timeout="10s", on_cancel=tidy_up),
            failed(
                "x",
                "TotalTimedOut",
                1,
                message="total_timeout of 10s is over after 1 attempt",
                notes=["began", "tidied up"],
            ),
        ),
        one(
            "TotalTimeoutAfterTimeouts",
            none_task("x", endless, total_timeout="1m", timeout="500ms", retry_backoff=100, retries=9),
            failed("x", "TotalTimedOut", 2, message="total_timeout of 1m leaves no time for another attempt in 1m40s"),
        ),
        one(
            "TotalTimeoutLeavesNoTime",
            none_task("x", failing(9), total_timeout="1m", retry_backoff=100, retries=9),
            failed(
                "x",
                "TotalTimedOut",
                2,
                message="total_timeout of 1m leaves no time for another attempt in 1m40s, after 2 attempts; "
                "the last one: Boom: attempt 2 of x",
            ),
        ),
        one("TotalTimeoutIsLongEnough", none_task("x", failing(1), total_timeout="1m"), _second_attempt()),
    ]


def _second_attempt() -> Expected:
    return Expected(tasks={"x": ("completed", 2)})


SCENARIOS = [*delays(), *errors_that_end_a_task(), *asking_to_be_run_again(), *total_timeouts()]
