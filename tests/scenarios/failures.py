"""What goes wrong: attempts, limits, cancellation, and what it means for the rest of the graph."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel
from tests.scenarios.graphs import Number, add_one, note_start, until_noted
from tests.scenarios.scenario import UNKNOWN, AnyTask, Expected, Observed, Scenario, chain, edges, journal, workflow

from moose_lib import NonRetryableError, Task, TaskConfig, TaskContext

NoInput = TaskContext[None]


class Boom(Exception):
    pass


class CardDeclined(NonRetryableError):
    pass


def failing(times: int, error: Callable[[str], BaseException] = Boom) -> Callable[[NoInput], Awaitable[None]]:
    """A handler whose first attempts fail."""

    async def run(ctx: NoInput) -> None:
        journal.note(ctx, f"{ctx.run.task} {ctx.run.attempt}")
        if ctx.run.attempt <= times:
            raise error(f"attempt {ctx.run.attempt} of {ctx.run.task}")

    return run


def none_task(name: str, run: Any, **config: Any) -> AnyTask:  # Any: handlers and settings of all kinds
    return Task[None, None](name=name, config=TaskConfig(run=run, **config))


def one(name: str, task: AnyTask, expected: Expected, given: BaseModel | None = None, **settings: Any) -> Scenario:
    """A workflow of one task; `settings` are the workflow's."""
    return Scenario(workflow=workflow(name, task, **settings), input=given, expected=expected)


def failed(
    task: str, error: str, attempts: int, *, message: str | None = None, notes: list[str] | None = None
) -> Expected:
    return Expected(
        status="failed", tasks={task: ("failed", attempts)}, failed_task=task, error=error, message=message, notes=notes
    )


def retries() -> list[Scenario]:
    always = failing(99)
    return [
        one("NoRetries", none_task("x", always, retries=0), failed("x", "Boom", 1, message="attempt 1", notes=["x 1"])),
        one(
            "RetriesUsedUp",
            none_task("x", always, retries=1),
            failed("x", "Boom", 2, message="attempt 2 of x", notes=["x 1", "x 2"]),
        ),
        one("DefaultRetries", none_task("x", always), failed("x", "Boom", 4)),
        one(
            "RetriedToSuccess",
            none_task("x", failing(2), retries=2),
            Expected(tasks={"x": ("completed", 3)}, notes=["x 1", "x 2", "x 3"]),
        ),
        one("NonRetryable", none_task("x", failing(1, CardDeclined)), failed("x", "CardDeclined", 1)),
        one("ExitIsAFailure", none_task("x", failing(1, SystemExit), retries=0), failed("x", "SystemExit", 1)),
        one(
            "OwnCancellation",
            none_task("x", failing(1, asyncio.CancelledError), retries=1),
            Expected(tasks={"x": ("completed", 2)}),
        ),
    ]


def workflow_retries() -> Scenario:
    """The run starts again from the beginning; what counts is its last start."""
    seen = set[str]()

    async def fails_in_the_first_start(ctx: NoInput) -> None:
        journal.note(ctx, "second")
        if ctx.run.workflow_id not in seen:
            seen.add(ctx.run.workflow_id)
            raise Boom

    first = chain(none_task("first", note_start), none_task("second", fails_in_the_first_start, retries=0))
    expected = Expected(
        tasks={"first": "completed", "second": "completed"}, notes=["first", "second", "first", "second"]
    )
    return Scenario(workflow=workflow("StartedAgain", first, retries=1), expected=expected)


def workflow_retries_used_up() -> Scenario:
    """Task retries times starts: two attempts in each of two starts."""
    task = none_task("x", failing(99), retries=1)
    expected = failed("x", "Boom", 2, notes=["x 1", "x 2", "x 1", "x 2"])
    return one("StartsUsedUp", task, expected, retries=1)


def workflow_is_not_retried_for_what_cannot_help() -> Scenario:
    expected = failed("x", "CardDeclined", 1, notes=["x 1"])
    return one("NoSecondStart", none_task("x", failing(1, CardDeclined)), expected, retries=2)


def a_failing_branch() -> Scenario:
    """Its healthy sibling goes on to its own end, its own children included; then the run fails."""

    async def later(ctx: NoInput) -> None:
        await until_noted(ctx, "bad 1")
        journal.note(ctx, ctx.run.task)

    tasks: dict[str, AnyTask] = {
        "start": none_task("start", note_start),
        "bad": none_task("bad", failing(9), retries=0),
        "after_bad": none_task("after_bad", note_start),
        "good": none_task("good", later),
        "after_good": none_task("after_good", later),
    }
    first = edges(tasks, {"start": ["bad", "good"], "bad": ["after_bad"], "good": ["after_good"]})
    expected = Expected(
        status="failed",
        tasks={
            "start": "completed",
            "bad": "failed",
            "after_bad": "skipped",
            "good": "completed",
            "after_good": "completed",
        },
        failed_task="bad",
        error="Boom",
        notes=["start", "bad 1", "good", "after_good"],
    )
    return Scenario(workflow=workflow("FailingBranch", first), expected=expected)


def a_failure_before_a_join() -> Scenario:
    """The join never starts, nor what comes after it."""
    tasks: dict[str, AnyTask] = {name: none_task(name, note_start) for name in ("a", "b", "c", "join", "end")}
    tasks["b"] = none_task("b", failing(9), retries=0)
    first = edges(tasks, {"a": ["b", "c"], "b": ["join"], "c": ["join"], "join": ["end"]})
    expected = Expected(
        status="failed",
        tasks={"a": "completed", "b": "failed", "c": "completed", "join": "skipped", "end": "skipped"},
        failed_task="b",
        error="Boom",
    )
    return Scenario(workflow=workflow("FailedJoin", first), expected=expected)


def two_failures() -> Scenario:
    """The run names the task that failed first, not the first one of the graph."""

    async def slow(ctx: NoInput) -> None:
        await until_noted(ctx, "early 1")
        await asyncio.sleep(10)  # its attempt ends a little after its note
        raise ValueError("late")

    tasks: dict[str, AnyTask] = {
        "start": none_task("start", note_start),
        "late": none_task("late", slow, retries=0),
        "early": none_task("early", failing(9), retries=0),
    }
    expected = Expected(
        status="failed",
        tasks={"start": "completed", "late": "failed", "early": "failed"},
        failed_task="early",
        error="Boom",
    )
    return Scenario(workflow=workflow("TwoFailures", edges(tasks, {"start": ["late", "early"]})), expected=expected)


def wrong_values() -> list[Scenario]:
    """Bad output is not retried, and nothing after it starts."""

    class Text(BaseModel):
        text: str

    async def wrong_type(number: Number) -> Number:
        return Text(text="no number")  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the point

    async def spoiled(number: Number) -> Number:
        number.value = "seven"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # the point
        return number

    async def nothing(number: Number) -> Number:
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the point

    async def something(number: Number) -> None:
        return number  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the point

    def scenario(name: str, task: AnyTask) -> Scenario:
        task.config.on_complete = [none_task("after", note_start)]
        expected = Expected(
            status="failed",
            tasks={"x": "failed", "after": "skipped"},
            failed_task="x",
            error="InvalidOutput",
            message="output of task 'x' is not a valid",
            notes=[],
        )
        return Scenario(workflow=workflow(name, task), input=Number(value=1), expected=expected)

    return [
        scenario("WrongOutputType", Task[Number, Number](name="x", config=TaskConfig(run=wrong_type))),
        scenario("SpoiledOutput", Task[Number, Number](name="x", config=TaskConfig(run=spoiled))),
        scenario("MissingOutput", Task[Number, Number](name="x", config=TaskConfig(run=nothing))),
        scenario("UnexpectedOutput", Task[Number, None](name="x", config=TaskConfig(run=something))),
    ]


def a_value_that_does_not_fit_the_next_task() -> Scenario:
    """The fields are there, but the next model is stricter: the task fails without an attempt to help."""

    class Positive(BaseModel):
        value: int

        def model_post_init(self, context: Any) -> None:  # Any: pydantic's own
            if self.value < 0:
                raise ValueError("is negative")

    async def take(positive: Positive) -> None:
        raise AssertionError("never called")

    last = Task[Positive, None](name="take", config=TaskConfig(run=take))
    first = Task[Number, Number](name="give", config=TaskConfig(run=add_one, on_complete=[last]))
    expected = Expected(
        status="failed", tasks={"give": "completed", "take": "failed"}, failed_task="take", error="InvalidInput"
    )
    return Scenario(workflow=workflow("StricterInput", first), input=Number(value=-9), expected=expected)


def timeouts() -> list[Scenario]:
    async def sleeps(ctx: NoInput) -> None:
        journal.note(ctx, f"run {ctx.run.attempt}")
        ctx.state["kept"] = ctx.run.attempt
        await asyncio.sleep(1000)

    def spins(ctx: NoInput) -> None:
        journal.note(ctx, f"run {ctx.run.attempt}")
        ctx.state["kept"] = ctx.run.attempt
        while True:
            time.sleep(0.01)

    async def sleeps_once(ctx: NoInput) -> None:
        await asyncio.sleep(1000 if ctx.run.attempt == 1 else 0)

    def clean_up(ctx: NoInput) -> None:
        journal.note(ctx, f"clean {ctx.state['kept']}")

    notes = ["run 1", "clean 1", "run 2", "clean 2"]
    timed_out = failed("x", "TaskTimedOut", 2, message="took longer than its timeout of 3s", notes=notes)
    return [
        one("AsyncTimeout", none_task("x", sleeps, timeout="3s", retries=1, on_cancel=clean_up), timed_out),
        one("SyncTimeout", none_task("x", spins, timeout="3s", retries=1, on_cancel=clean_up), timed_out),
        one(
            "TimeoutPerAttempt",
            none_task("x", sleeps_once, timeout="2s", retries=1),
            Expected(tasks={"x": ("completed", 2)}),
        ),
    ]


def workflow_timeouts() -> list[Scenario]:
    """A workflow's timeout covers everything. It is no cancellation: `on_cancel` does not run.

    Temporal's history does not say that a task was running when the time was over.
    """

    async def sleeps(ctx: NoInput) -> None:
        journal.note(ctx, "running")
        await asyncio.sleep(1000)

    def clean_up(ctx: NoInput) -> None:
        journal.note(ctx, "cleaned up")

    late = chain(none_task("x", sleeps, on_cancel=clean_up), none_task("after", note_start))
    hopeless = chain(none_task("x", failing(99), retries=50), none_task("after", note_start))
    timed_out = Expected(
        status="timed_out",
        tasks={"x": ("canceled", UNKNOWN), "after": "skipped"},
        error="RunTimedOut",
        notes=["running"],
    )
    failed_now = Expected(
        status="failed", tasks={"x": ("failed", 5), "after": "skipped"}, failed_task="x", error="Boom"
    )
    # At 0, 1, 3, 7 and 15 s. What would come after the end is not waited for: the sixth attempt, the sixth start.
    five_starts = failed("x", "Boom", 1, notes=["x 1"] * 5)
    return [
        Scenario(workflow=workflow("RunTimedOut", late, timeout="15s"), expected=timed_out),
        Scenario(workflow=workflow("NoTimeForRetry", hopeless, timeout="30s"), expected=failed_now),
        one("NoTimeForStart", none_task("x", failing(99), retries=0), five_starts, retries=9, timeout="30s"),
    ]


def cancellations() -> list[Scenario]:
    """The code is reached, unwinds, and then `on_cancel` has the state that `run` left."""

    async def sleeps(ctx: NoInput) -> None:
        ctx.state["file"] = "/tmp/x"
        journal.note(ctx, "running")
        try:
            await asyncio.sleep(1000)
        finally:
            journal.note(ctx, "unwound")

    def spins(ctx: NoInput) -> None:
        ctx.state["file"] = "/tmp/x"
        journal.note(ctx, "running")
        try:
            while True:
                time.sleep(0.01)
        finally:
            journal.note(ctx, "unwound")

    async def forget(ctx: NoInput) -> None:
        await asyncio.sleep(0.01)
        journal.note(ctx, f"forgot {ctx.state['file']}")

    def forget_at_once(ctx: NoInput) -> None:
        journal.note(ctx, f"forgot {ctx.state['file']}")

    async def stubborn(ctx: NoInput) -> None:
        journal.note(ctx, "running")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            journal.note(ctx, "refused")

    expected = Expected(
        status="canceled",
        tasks={"before": "completed", "x": ("canceled", 1), "after": "skipped"},
        notes=["before", "running", "unwound", "forgot /tmp/x"],
    )
    refused = Expected(
        status="canceled",
        tasks={"before": "completed", "x": ("canceled", 1), "after": "skipped"},
        notes=["before", "running", "refused"],
    )

    def scenario(name: str, task: AnyTask, expected: Expected = expected) -> Scenario:
        first = chain(none_task("before", note_start), task, none_task("after", note_start))
        return Scenario(workflow=workflow(name, first), expected=expected, cancel_after="running")

    return [
        scenario("CancelAsync", none_task("x", sleeps, on_cancel=forget)),
        scenario("CancelSync", none_task("x", spins, on_cancel=forget)),
        scenario("CancelWithSyncHook", none_task("x", sleeps, on_cancel=forget_at_once)),
        scenario("CancelRefused", none_task("x", stubborn), refused),
    ]


def cancel_between_attempts() -> Scenario:
    """Nothing runs just then, so there is nothing to clean up. Temporal's history does not keep the attempts so far."""

    def clean_up(ctx: NoInput) -> None:
        journal.note(ctx, "cleaned up")

    def check(seen: Observed) -> None:
        assert "cleaned up" not in seen.notes

    async def fails(ctx: NoInput) -> None:
        journal.note(ctx, f"failed {ctx.run.attempt}")
        raise Boom("again")

    expected = Expected(
        status="canceled", tasks={"x": ("canceled", UNKNOWN)}, notes=["failed 1", "failed 2"], check=check
    )
    first = none_task("x", fails, retries=9, retry_backoff=60, on_cancel=clean_up)
    return Scenario(
        workflow=workflow("CancelBetween", first),
        expected=expected,
        cancel_after="failed 2",
        cancel_when="retrying",
        cancel_at="2s",
    )


SCENARIOS = [
    *retries(),
    workflow_retries(),
    workflow_retries_used_up(),
    workflow_is_not_retried_for_what_cannot_help(),
    a_failing_branch(),
    a_failure_before_a_join(),
    two_failures(),
    *wrong_values(),
    a_value_that_does_not_fit_the_next_task(),
    *timeouts(),
    *workflow_timeouts(),
    *cancellations(),
    cancel_between_attempts(),
]
