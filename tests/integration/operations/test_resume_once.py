"""Several resume the same run: one wins, and the others are told of its run."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client
from tests.integration.engine.steering import Desk
from tests.integration.engine.support import failure
from tests.integration.operations.resuming import CHAIN, Clerk, named

from moose_lib.errors import NotResumable, RunAlreadyStarted
from moose_lib.operations.past import find_successor
from moose_lib.operations.records import ResumedRun, RunState


async def test_an_open_run_that_resumes_another_is_told_as_that(clerk: Clerk) -> None:
    """Two resume the same run by its workflow id: nobody is told to cancel what the other has just started."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Both"), *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
    started = await clerk.resume(handle, workflow)
    with pytest.raises(NotResumable) as second:
        await clerk.prepare(handle.id, workflow)
    await clerk.handle(started).terminate()

    assert str(second.value) == f"run {handle.id!r} was resumed already: run {started.run_id!r} is open"
    assert second.value.hint == f"moose-cli workflow status {started.run_id}"


async def test_a_run_is_resumed_once(clerk: Clerk) -> None:
    """Of five at the same time one wins; later ones are told as what it was resumed, whether that has ended or not."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Once"), *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        prepared = [await clerk.prepare(handle, workflow) for _ in range(6)]
        outcomes = await asyncio.gather(*map(clerk.start, prepared[:5]), return_exceptions=True)
        [started] = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert all(isinstance(refusal, NotResumable | RunAlreadyStarted) for refusal in refusals)
        assert (await clerk.end(started)).state is RunState.FAILED
        with pytest.raises(NotResumable, match=f"was resumed already, as '{started.run_id}'") as late:
            await clerk.start(prepared[5])
        with pytest.raises(NotResumable, match=f"was resumed already, as '{started.run_id}'"):
            await clerk.prepare(str(handle.first_execution_run_id), workflow)
    assert late.value.hint == f"moose-cli workflow status {started.run_id}"
    assert desk.calls == {"first": 1, "second": 2}


async def test_a_run_is_resumed_once_though_what_was_resumed_has_completed(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two have looked at it; one's run is over in the moment before the other's start."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Overtaken"), *CHAIN)
    looked_for = "moose_lib.operations.resume.find_successor"
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        desk.broken.clear()
        quick, slow = [await clerk.prepare(handle, workflow) for _ in range(2)]
        started = list[ResumedRun]()

        async def look_and_be_overtaken(client: Client, workflow_id: str, run_id: str) -> str | None:
            monkeypatch.setattr(looked_for, find_successor)
            found = await find_successor(client, workflow_id, run_id)
            started.append(await clerk.start(quick))
            await clerk.end(started[0])
            return found

        monkeypatch.setattr(looked_for, look_and_be_overtaken)
        with pytest.raises(NotResumable) as late:
            await clerk.start(slow)
    assert str(late.value) == f"run {started[0].resumed_from!r} was resumed already, as {started[0].run_id!r}"
    assert desk.calls == {"first": 1, "second": 2, "third": 1}


async def test_another_run_may_have_the_id(clerk: Clerk) -> None:
    """One that is open keeps others out; one that has ended does not."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("SameId"), *CHAIN)
    queue = clerk.engine.settings.temporal.task_queue
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        resumption = await clerk.prepare(handle, workflow)
        other = await clerk.engine.client.start_workflow(workflow.name, id=handle.id, task_queue=f"{queue}-nobody")
        with pytest.raises(RunAlreadyStarted, match=f"a run with the id '{handle.id}' is open"):
            await clerk.start(resumption)
        await other.terminate()
        desk.broken.clear()
        status = await clerk.end(await clerk.start(resumption))
    assert status.state is RunState.COMPLETED
