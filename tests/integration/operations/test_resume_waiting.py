"""A task that only waited when its run ended: what resume says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import Client
from tests.integration.engine.steering import Number, the_run, until_status
from tests.integration.engine.support import Engine
from tests.integration.operations.resuming import Clerk, named, verdicts

from moose_lib import RetryLater, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.operations.control import cancel_run, terminate_run
from moose_lib.operations.records import RunSummary, TaskPhase


def closed(number: Number) -> Number:
    raise RetryLater("1h", "the bank is closed")


def broken(number: Number) -> Number:
    raise ValueError("no answer")


async def terminate(client: Client, run: RunSummary) -> None:
    await terminate_run(client, run, "enough")


def one_task(handler: Callable[[Number], Number]) -> Workflow:
    task = Task[Number, Number]("charge", TaskConfig(run=handler, retries=2, retry_delay="1h"))
    return Workflow(named("Waits"), WorkflowConfig(starting_task=task))


@pytest.mark.parametrize(
    ("handler", "end", "reason"),
    [
        (broken, terminate, "waited for its next attempt: ValueError: no answer"),
        (closed, terminate, "was postponed: asked to be run again in 1h: the bank is closed"),
        (broken, cancel_run, "waited for an attempt"),
    ],
)
async def test_a_task_between_two_attempts_was_not_running(
    engine: Engine,
    handler: Callable[[Number], Number],
    end: Callable[[Client, RunSummary], Awaitable[None]],
    reason: str,
) -> None:
    """Of a canceled one Temporal keeps no record of the attempts before."""
    clerk, workflow = Clerk(engine), one_task(handler)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_status(engine, handle, lambda it: any(task.state is TaskPhase.RETRYING for task in it.tasks))
        await end(engine.client, await the_run(engine, handle))
        await clerk.end(handle)
        resumption = await clerk.prepare(handle, workflow)

    assert verdicts(resumption) == {"charge": f"re-run: {reason}"}


async def test_nor_was_one_that_no_worker_had_taken(engine: Engine) -> None:
    clerk, workflow = Clerk(engine), one_task(broken)
    async with engine.worker():
        handle = await engine.start(workflow, {"value": 1})
        await until_status(engine, handle, lambda it: any(task.state is TaskPhase.UNKNOWN for task in it.tasks))
        await terminate(engine.client, await the_run(engine, handle))
        await clerk.end(handle)
        resumption = await clerk.prepare(handle, workflow)

    assert verdicts(resumption) == {"charge": "re-run: waited for a worker"}
