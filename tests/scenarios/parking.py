"""Tasks that park instead of failing, and what somebody decides about them."""

from __future__ import annotations

from typing import Any

from tests.scenarios.failures import Boom, NoInput, failing, none_task
from tests.scenarios.graphs import Number, add_one
from tests.scenarios.scenario import AnyTask, Expected, Scenario, chain, edges, journal, workflow

from moose_lib import Task, TaskConfig
from moose_lib.testing import Fail, Retry, Skip


def parking(name: str, run: Any, **config: Any) -> AnyTask:  # Any: handlers and settings of all kinds
    return none_task(name, run, retries=0, on_failure="park", **config)


def noting(name: str) -> AnyTask:
    async def run(ctx: NoInput) -> None:
        journal.note(ctx, ctx.run.task)

    return none_task(name, run)


def failing_calls(times: int) -> Any:  # Any: a handler
    """A handler that is mended after so many calls in a run."""

    async def run(ctx: NoInput) -> None:
        journal.note(ctx, f"{ctx.run.task} {ctx.run.attempt}")
        if len([note for note in journal.notes(ctx.run.workflow_id) if note.startswith(ctx.run.task)]) <= times:
            raise Boom("no funds")

    return run


def staying() -> list[Scenario]:
    """Nobody decides."""
    fan = {
        "start": noting("start"),
        "bad": parking("bad", failing(9)),
        "good": noting("good"),
        "after": noting("after"),
        "join": noting("join"),
    }
    start = edges(fan, {"start": ["bad", "good"], "bad": ["after", "join"], "good": ["join"]})
    tasks: dict[str, str | tuple[str, int]] = {
        "start": "completed",
        "bad": ("parked", 1),
        "good": "completed",
        "after": "waiting",
        "join": "waiting",
    }
    by_default = chain(none_task("bad", failing(9), retries=1, retry_delay="1ms"), noting("after"))
    parked = workflow("ParkedByDefault", by_default)
    parked.config.on_task_failure = "park"
    return [
        Scenario(workflow=workflow("Parked", start), expected=Expected(status="parked", tasks=tasks)),
        Scenario(workflow=parked, expected=Expected(status="parked", tasks={"bad": ("parked", 2), "after": "waiting"})),
    ]


def deciding() -> list[Scenario]:
    """Somebody does."""
    retried = chain(parking("bad", failing_calls(2)), noting("after"))
    given_up = chain(parking("bad", failing(9)), noting("after"))
    park_again = chain(parking("bad", failing(9)), noting("after"))
    skipped = chain(
        Task[Number, Number](name="bad", config=TaskConfig(run=broken, retries=0, on_failure="park")),
        Task[Number, Number](name="after", config=TaskConfig(run=add_one)),
    )
    return [
        Scenario(
            workflow=workflow("ParkedRetried", retried),
            decisions={"bad": [Retry(), Retry()]},
            expected=Expected(
                tasks={"bad": ("completed", 1), "after": "completed"}, notes=["bad 1", "bad 1", "bad 1", "after"]
            ),
        ),
        Scenario(
            workflow=workflow("ParkedAgain", park_again),
            decisions={"bad": Retry()},
            expected=Expected(
                status="parked", tasks={"bad": ("parked", 1), "after": "waiting"}, notes=["bad 1", "bad 1"]
            ),
        ),
        Scenario(
            workflow=workflow("ParkedSkipped", skipped),
            input=Number(value=1),
            decisions={"bad": [Retry(), Skip(Number(value=41))]},
            expected=Expected(tasks={"bad": ("completed", 1), "after": "completed"}, result=Number(value=42)),
        ),
        Scenario(
            workflow=workflow("ParkedGivenUp", given_up, retries=2),
            decisions={"bad": Fail()},
            expected=Expected(
                status="failed",
                tasks={"bad": ("failed", 1), "after": "skipped"},
                failed_task="bad",
                error="Boom",
                notes=["bad 1"],
            ),
        ),
    ]


def broken(number: Number) -> Number:
    raise Boom("no funds")


def canceling() -> list[Scenario]:
    """A parked run is canceled."""
    task = parking("bad", failing(9))
    return [
        Scenario(
            workflow=workflow("ParkedCanceled", chain(task, noting("after"))),
            cancel_after="bad 1",
            cancel_when="parked",
            expected=Expected(status="canceled", tasks={"bad": ("failed", 1), "after": "skipped"}),
        ),
    ]


SCENARIOS = [*staying(), *deciding(), *canceling()]
