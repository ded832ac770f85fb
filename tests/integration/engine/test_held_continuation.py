"""Runs that wait for people go on in a next history like any other, and so do resumed ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from tests.integration.conftest import connected, settings_for, temporal_server
from tests.integration.engine.steering import (
    Desk,
    Half,
    Halves,
    Number,
    phases,
    status_of,
    the_run,
    until_parked,
    until_status,
)
from tests.integration.engine.support import Engine, Handle, failure, result, until
from tests.integration.operations.resuming import Clerk, named, verdicts

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.errors import RunNotOpen
from moose_lib.operations.control import cancel_run, terminate_run
from moose_lib.operations.decisions import give_up_run, pause_run, retry_task, skip_task, unpause_run
from moose_lib.operations.records import RunState

SIDES = [f"side{n}" for n in range(150)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with temporal_server(["limit.historyCount.suggestContinueAsNew=60"]) as port:
        yield port


@pytest.fixture
async def short(port: int, tmp_path: Path) -> Engine:
    """An engine whose histories are short."""
    settings = settings_for(port, tmp_path, named("queue"))
    return Engine(await connected(settings), settings)


async def is_continued(engine: Engine, handle: Handle) -> bool:
    status = await status_of(engine, handle)
    return status.run_id != status.first_run_id


async def test_parked_tasks_are_carried_over(short: Engine) -> None:
    """With their errors; each of them can still be retried, skipped and given up."""
    desk = Desk()
    desk.broken |= {"side1", "side2", "side3"}
    workflow = desk.fan(named("HeldParked"), *SIDES)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 1})
        await until(lambda: is_continued(short, handle))
        status = await until_parked(short, handle, "side1", "side2", "side3")
        assert {str(task.error) for task in status.parked} == {f"ValueError: side{n} is broken" for n in (1, 2, 3)}
        run = await the_run(short, handle)
        desk.broken.clear()
        await retry_task(short.client, run, "side1")
        await skip_task(short.client, run, "side2", b'{"value": 1000}')
        await until_parked(short, handle, "side3")
        desk.broken.add("side3")
        await retry_task(short.client, run, "side3")
        await until(lambda: desk.calls["side3"] == 2)
        await until_parked(short, handle, "side3")
        desk.broken.clear()
        await retry_task(short.client, run, "side3")
        assert await result(handle) == {"value": 149 * 3 + 1000}
    assert desk.calls == dict.fromkeys(SIDES, 1) | {"start": 1, "join": 1, "side1": 2, "side3": 3}


async def test_a_parked_task_given_up_later_fails_the_run_with_its_error(short: Engine) -> None:
    """The error of an earlier history."""
    desk = Desk()
    desk.broken.add("side3")
    workflow = desk.fan(named("HeldFail"), *SIDES)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 1})
        await until(lambda: is_continued(short, handle))
        await until_parked(short, handle, "side3")
        await give_up_run(short.client, await the_run(short, handle), "the customer is gone")
        error = await failure(handle)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert (error.task, error.class_name, error.message) == ("side3", "ValueError", "side3 is broken")
    assert str(caught.value.cause).endswith("; given up: the customer is gone")


@pytest.mark.parametrize("end", ["canceled", "terminated"])
async def test_who_knows_an_old_life_reaches_the_newest(short: Engine, end: str) -> None:
    """Lists lag behind: the life that somebody found may have been continued since."""
    desk = Desk()
    desk.broken.add("side3")
    workflow = desk.fan(named("HeldOld"), *SIDES)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 1})
        old = await the_run(short, handle)
        await until(lambda: is_continued(short, handle))
        await until_parked(short, handle, "side3")
        assert old.run_id == handle.first_execution_run_id
        if end == "canceled":
            await cancel_run(short.client, old)
        else:
            await terminate_run(short.client, old, "enough")
        status = await until_status(short, handle, lambda it: not it.is_open)
    assert status.state.value == end
    with pytest.raises(RunNotOpen):
        await terminate_run(short.client, old, "again")


async def test_a_paused_run_goes_on_when_it_is_unpaused(short: Engine) -> None:
    """It is paused in the middle, continues as paused, and finishes with every task run once."""
    desk = Desk()
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def held(ctx: TaskContext[Number]) -> Half:
        desk.calls[ctx.run.task] += 1
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(gate.wait(), loop))
        return Half(value=1)

    join = Task[Halves, Number](name="join", config=TaskConfig(run=desk.join))
    last = Task[Number, Number](name="last", config=TaskConfig(run=desk.call))
    join.config.on_complete = [last]
    sides = [Task[Number, Half](name=side, config=TaskConfig(run=held, on_complete=[join])) for side in SIDES]
    start = Task[Number, Number](name="start", config=TaskConfig(run=desk.call, on_complete=[*sides]))
    workflow = Workflow(name=named("HeldPaused"), config=WorkflowConfig(starting_task=start))
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 1})
        await until(lambda: len(desk.calls) > 5)
        await pause_run(short.client, await the_run(short, handle))
        gate.set()
        await until(lambda: is_continued(short, handle), 60)
        status = await until_status(short, handle, lambda it: "running" not in phases(it).values())
        assert (status.is_open, status.is_paused) == (True, True)
        await unpause_run(short.client, await the_run(short, handle))
        assert await result(handle) == {"value": 151}
    assert desk.calls == dict.fromkeys(["start", *SIDES, "join", "last"], 1)


async def test_pausing_and_unpausing_all_the_time_loses_nothing(short: Engine) -> None:
    """Signals arrive while one history ends and the next one begins."""
    desk = Desk()
    workflow = desk.chain(named("HeldOften"), *(f"t{n}" for n in range(60)))
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 0})
        newest = short.client.get_workflow_handle(handle.id)
        for _ in range(40):
            await newest.signal("moose-pause")
            await newest.signal("moose-unpause")
        assert await result(handle) == {"value": 60}
    assert set(desk.calls.values()) == {1}


async def test_outputs_of_earlier_histories_are_kept(short: Engine) -> None:
    """The resumed run, which has many histories itself, runs one task of many again."""
    desk = Desk()
    desk.broken.add("side3")
    workflow = desk.fan(named("HeldResumed"), *SIDES, on_failure="fail")
    clerk = Clerk(short)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 1})
        await failure(handle)
        assert await is_continued(short, handle)
        desk.broken.clear()
        resumption = await clerk.prepare(handle, workflow)
        status = await clerk.end(await clerk.start(resumption))
    assert len(resumption.kept) == 150
    assert (status.state, status.result) == (RunState.COMPLETED, b'{"value":450}')
    assert desk.calls == dict.fromkeys(SIDES, 1) | {"start": 1, "join": 1, "side3": 2}


async def test_a_resumed_run_with_many_histories_is_retried_from_its_own_begin(short: Engine) -> None:
    """A task failed in its first history, and what fed that task is still there after two more."""
    desk = Desk()
    desk.broken |= {"start", "side3"}
    workflow = desk.fan(named("HeldRetried"), *SIDES, on_failure="fail", run_retries=1)
    first = workflow.config.starting_task
    before = Task[Number, Number](name="before", config=TaskConfig(run=desk.call, retries=0, on_complete=[first]))
    workflow.config.starting_task = before
    clerk = Clerk(short)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 1})
        await failure(handle)
        assert desk.calls == {"before": 2, "start": 2}
        desk.broken.discard("start")
        started = await clerk.resume(handle, workflow)
        status = await clerk.end(started)
        assert (status.state, status.attempt) == (RunState.FAILED, 2)
        assert desk.calls == dict.fromkeys(SIDES, 2) | {"before": 2, "start": 4}
        assert [task.name for task in status.tasks if task.is_kept] == ["before"]
        desk.broken.clear()
        last = await clerk.prepare(started.run_id, workflow)
        ended = await clerk.end(await clerk.start(last))
    assert {name for name, verdict in verdicts(last).items() if not verdict.startswith("kept")} == {"side3", "join"}
    assert ended.result == b'{"value":600}'
    assert (desk.calls["before"], desk.calls["side0"], desk.calls["side3"]) == (2, 2, 3)
