"""What runs after a run: told of its outcome, and without a say in it."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel
from tests.scenarios.failures import Boom, CardDeclined, NoInput, failing, none_task
from tests.scenarios.graphs import Number, add_one
from tests.scenarios.scenario import AnyTask, Expected, Scenario, chain, journal, workflow

from moose_lib import RunOutcome, Task, TaskConfig, TaskContext


class Large(BaseModel):
    text: str


def tell(context: TaskContext[RunOutcome]) -> None:
    """Note what a hook is told."""
    outcome = context.input
    assert (outcome.workflow, outcome.workflow_id) == (context.run.workflow, context.run.workflow_id)
    assert outcome.run_id == context.run.run_id
    if outcome.error is None:
        journal.note(context, f"{context.run.task}: {outcome.status} {outcome.result}")
        return
    error = outcome.error
    assert error.traceback is not None
    journal.note(context, f"{context.run.task}: {outcome.status} {error.task} {error} after {error.attempts}")


def hook(name: str = "tell", run: Any = tell, **config: Any) -> Task[RunOutcome, None]:  # Any: as in other scenarios
    return Task[RunOutcome, None](name=name, config=TaskConfig(run=run, **config))


def hooked(
    name: str,
    start: AnyTask,
    expected: Expected,
    *,
    given: BaseModel | None = None,
    cancel_after: str | None = None,
    **settings: Any,
) -> Scenario:
    """A workflow with hooks; `settings` are the workflow's."""
    hooks = {role: settings.pop(role) for role in ("on_success", "on_failure") if role in settings}
    made = workflow(name, start, **settings)
    for role, task in hooks.items():
        setattr(made.config, role, task)
    return Scenario(workflow=made, expected=expected, input=given, cancel_after=cancel_after)


def adding() -> AnyTask:
    return Task[Number, Number](name="add", config=TaskConfig(run=add_one))


def after_the_run() -> list[Scenario]:
    """Only the hook for how the run ended runs, when all tasks have ended."""
    both: dict[str, Any] = {"on_success": hook("cheer"), "on_failure": hook("tell")}
    return [
        hooked(
            "ToldOfSuccess",
            adding(),
            Expected(
                tasks={"add": "completed"},
                hooks={"cheer": "completed"},
                result=Number(value=2),
                notes=["cheer: completed {'value': 2}"],
            ),
            given=Number(value=1),
            **both,
        ),
        hooked(
            "ToldOfFailure",
            chain(none_task("x", failing(9), retries=1), none_task("y", failing(0))),
            Expected(
                status="failed",
                tasks={"x": ("failed", 2), "y": "skipped"},
                hooks={"tell": "completed"},
                failed_task="x",
                error="Boom",
                notes=["x 1", "x 2", "tell: failed x Boom: attempt 2 of x after 2"],
            ),
            **both,
        ),
    ]


def large_results() -> Scenario:
    """What is told travels as other values do."""

    def make() -> Large:
        return Large(text="x" * 3_000_000)

    def measure(context: TaskContext[RunOutcome]) -> None:
        journal.note(context, f"{len(context.input.result['text']):,}")

    start = Task[None, Large](name="make", config=TaskConfig(run=make))
    expected = Expected(
        tasks={"make": "completed"},
        hooks={"measure": "completed"},
        result=Large(text="x" * 3_000_000),
        notes=["3,000,000"],
    )
    return hooked("ToldOfMuch", start, expected, on_success=hook("measure", measure))


def hooks_of_their_own() -> list[Scenario]:
    """A hook has attempts, limits and failures of its own; the run stays as it ended."""

    def refuse(context: TaskContext[RunOutcome]) -> None:
        journal.note(context, f"tell {context.run.attempt}")
        raise Boom("no mail")

    async def hang(context: TaskContext[RunOutcome]) -> None:
        journal.note(context, "hangs")
        await asyncio.sleep(60)

    def ring(context: NoInput) -> None:
        journal.note(context, "ring")

    short: dict[str, Any] = {"retry_delay": "20ms", "retries": 1}
    done = {"x": "completed"}
    return [
        hooked(
            "HookFails",
            none_task("x", failing(0)),
            Expected(tasks=done, hooks={"tell": ("failed", 2)}, notes=["x 1", "tell 1", "tell 2"]),
            on_success=hook(run=refuse, **short),
        ),
        hooked(
            "HookOfAFailureFails",
            none_task("x", failing(9), retries=0),
            Expected(
                status="failed",
                tasks={"x": "failed"},
                hooks={"tell": ("failed", 2)},
                failed_task="x",
                error="Boom",
                message="attempt 1 of x",
            ),
            on_failure=hook(run=refuse, **short),
        ),
        hooked(
            "HookOutOfTime",
            none_task("x", failing(0)),
            Expected(tasks=done, hooks={"tell": "failed"}, notes=["x 1", "hangs"]),
            on_success=hook(run=hang, timeout="3s", retries=0),
        ),
        hooked(
            "HookThatIsToldNothing",
            none_task("x", failing(0)),
            Expected(tasks=done, hooks={"ring": "completed"}, notes=["x 1", "ring"]),
            on_success=Task[None, None](name="ring", config=TaskConfig(run=ring)),
        ),
        hooked(
            "HookCanceled",
            none_task("x", failing(0)),
            Expected(tasks=done, hooks={"tell": ("canceled", 1)}, notes=["x 1", "hangs"]),
            on_success=hook(run=hang),
            cancel_after="hangs",
        ),
    ]


def runs_that_start_again() -> list[Scenario]:
    """Told once, when nothing starts again any more."""
    return [
        hooked(
            "ToldOfTheLastStart",
            none_task("x", failing(9), retries=0),
            Expected(
                status="failed",
                tasks={"x": "failed"},
                hooks={"tell": "completed"},
                failed_task="x",
                error="Boom",
                notes=["x 1", "x 1", "tell: failed x Boom: attempt 1 of x after 1"],
            ),
            on_failure=hook(),
            retries=1,
        ),
        hooked(
            "ToldThatItDoesNotStartAgain",
            none_task("x", failing(9, CardDeclined)),
            Expected(
                status="failed",
                tasks={"x": "failed"},
                hooks={"tell": "completed"},
                failed_task="x",
                error="CardDeclined",
                notes=["x 1", "tell: failed x CardDeclined: attempt 1 of x after 1"],
            ),
            on_failure=hook(),
            retries=3,
        ),
    ]


def canceled() -> Scenario:
    """A canceled run has no hook: it neither succeeded nor failed."""

    async def hang(context: NoInput) -> None:
        journal.note(context, "hangs")
        await asyncio.sleep(60)

    return hooked(
        "CanceledWithoutHook",
        none_task("x", hang),
        Expected(status="canceled", tasks={"x": ("canceled", 1)}, notes=["hangs"]),
        on_success=hook("cheer"),
        on_failure=hook("tell"),
        cancel_after="hangs",
    )


SCENARIOS = [*after_the_run(), large_results(), *hooks_of_their_own(), *runs_that_start_again(), canceled()]
