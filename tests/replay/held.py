"""Recordings of runs that people steer: parked, paused, given up and resumed ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.integration.engine.steering import Desk, phases, the_run, until_parked, until_status
from tests.integration.engine.support import Engine, Handle, failure
from tests.integration.operations.resuming import Clerk

from moose_lib.operations.decisions import give_up_run, pause_run, retry_task, skip_task, unpause_run

Write = Callable[[Handle, str], Awaitable[None]]


async def record_held(engine: Engine, write: Write) -> None:
    """Run and steer them, and write each with `write`."""
    await _parked(engine, write)
    await _parked_over_histories(engine, write)
    await _given_up(engine, write)
    await _paused(engine, write)
    await _resumed(engine, write)


async def _parked(engine: Engine, write: Write) -> None:
    """Two tasks park; one is retried twice, the other skipped, and a late decision is ignored."""
    desk = Desk()
    desk.broken |= {"left", "right"}
    workflow = desk.fan("Parked", "left", "middle", "right")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "left", "right")
        run = await the_run(engine, handle)
        await retry_task(engine.client, run, "left")
        await until_status(engine, handle, lambda _: desk.calls["left"] == 2)
        await until_parked(engine, handle, "left", "right")
        await retry_task(engine.client, run, "middle")
        await skip_task(engine.client, run, "right", b'{"value": 10}')
        desk.broken.clear()
        await retry_task(engine.client, run, "left")
        await write(handle, "Parked")


async def _parked_over_histories(engine: Engine, write: Write) -> None:
    """It parks, its history is full, and it is retried in the next one while it is paused."""
    desk = Desk()
    desk.broken.add("side0")
    workflow = desk.fan("ParkedContinued", *(f"side{n}" for n in range(12)))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_status(engine, handle, lambda it: it.run_id != it.first_run_id)
        await until_parked(engine, handle, "side0")
        run = await the_run(engine, handle)
        await pause_run(engine.client, run)
        desk.broken.clear()
        await retry_task(engine.client, run, "side0")
        await until_status(engine, handle, lambda it: not it.parked)
        await unpause_run(engine.client, run)
        await write(handle, "ParkedContinued")


async def _given_up(engine: Engine, write: Write) -> None:
    """The run fails, and does not start again though it might."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain("GivenUp", "first", "second", "third", on_failure="park", run_retries=1)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "second")
        await give_up_run(engine.client, await the_run(engine, handle), "the customer is gone")
        await write(handle, "GivenUp")


async def _paused(engine: Engine, write: Write) -> None:
    """Paused before anybody works, and again in the middle."""
    desk = Desk()
    desk.endless.add("first")
    workflow = desk.chain("Paused", "first", "second")
    handle = await engine.start(workflow, {"value": 1})
    run = await the_run(engine, handle)
    await pause_run(engine.client, run)
    async with engine.worker(workflow):
        await until_status(engine, handle, lambda it: it.is_picked_up)
        await unpause_run(engine.client, run)
        await until_status(engine, handle, lambda it: phases(it)["first"] == "running")
        await pause_run(engine.client, run)
        desk.endless.clear()
        await until_status(engine, handle, lambda it: phases(it)["first"] == "completed")
        await unpause_run(engine.client, run)
        await write(handle, "Paused")


async def _resumed(engine: Engine, write: Write) -> None:
    """A resumed run that has several histories, fails, and starts again with what it kept at first."""
    desk = Desk()
    sides = [f"side{n}" for n in range(12)]
    desk.broken |= {"side0", "side1"}
    workflow = desk.fan("Resumed", *sides, on_failure="fail", run_retries=1)
    clerk = Clerk(engine)
    async with engine.worker(workflow):
        workflow.config.retries = 0
        handle = await engine.start(workflow, {"value": 1})
        await failure(handle)
        workflow.config.retries = 1
        desk.broken.discard("side0")
        started = await clerk.resume(handle, workflow, asked=[f"side{n}" for n in range(2, 12)])
        handle = engine.client.get_workflow_handle(handle.id, first_execution_run_id=started.run_id)
        await write(handle, "Resumed")
