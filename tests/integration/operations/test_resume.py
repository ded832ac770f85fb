"""A run that ended goes on where it was, with the code of now: finished tasks do not run again."""

from __future__ import annotations

import pytest
from tests.integration.engine.steering import Desk, phases, the_run, until_parked, until_status
from tests.integration.engine.support import failure, result
from tests.integration.operations.resuming import CHAIN, Clerk, named, verdicts

from moose_lib.errors import NotResumable, PlanChanged, TaskNotFound
from moose_lib.operations.control import cancel_run, terminate_run
from moose_lib.operations.decisions import give_up_run, pause_run, skip_task
from moose_lib.operations.following import run_status
from moose_lib.operations.past import read_past, with_successor
from moose_lib.operations.records import ResumedRun, RunState, RunStatus


async def test_the_finished_task_of_a_chain_runs_once(clerk: Clerk) -> None:
    """The second task fails, its code is mended, and only it and what follows run."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Chain"), *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        desk.broken.clear()
        resumption = await clerk.prepare(handle, workflow)
        started = await clerk.start(resumption)
        status = await clerk.end(started)

    assert verdicts(resumption) == {
        "first": "kept: completed",
        "second": "re-run: failed: ValueError: second is broken",
        "third": "re-run: did not run",
    }
    assert (status.state, status.result) == (RunState.COMPLETED, b'{"value":4}')
    assert desk.calls == {"first": 1, "second": 2, "third": 1}
    assert [(task.name, task.attempts, task.is_kept) for task in status.tasks] == [
        ("first", 0, True),
        ("second", 1, False),
        ("third", 1, False),
    ]
    await clerk.engine.replay(clerk.handle(started))


async def test_the_two_runs_know_each_other(clerk: Clerk) -> None:
    """They share the workflow id; the new one says from which, the old one as which."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Linked"), *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        desk.broken.clear()
        started = await clerk.resume(handle, workflow)
        new = await clerk.end(started)
    old = await past_status(clerk, handle.id, started.resumed_from)

    assert started.workflow_id == handle.id
    assert started.run_id != handle.first_execution_run_id == started.resumed_from
    assert started.ui_url == f"http://ui/namespaces/default/workflows/{handle.id}/{started.run_id}/history"
    assert (new.resumed_from, new.resumed_as) == (handle.first_execution_run_id, None)
    assert (old.state, old.resumed_from, old.resumed_as) == (RunState.FAILED, None, started.run_id)


async def past_status(clerk: Clerk, workflow_id: str, run_id: str) -> RunStatus:
    return await with_successor(clerk.engine.client, await run_status(clerk.engine.client, workflow_id, run_id))


@pytest.mark.parametrize("end", ["canceled", "terminated", "timed_out"])
async def test_a_running_task_is_not_taken_over(clerk: Clerk, end: str) -> None:
    """Whichever way the run ended: what ran at that moment runs again, what was finished is kept."""
    desk = Desk()
    desk.endless.add("second")
    workflow = desk.chain(named("Running"), *CHAIN)
    async with clerk.engine.worker(workflow):
        workflow.config.timeout = "10s" if end == "timed_out" else None
        handle = await clerk.engine.start(workflow, {"value": 1})
        workflow.config.timeout = None
        await until_status(clerk.engine, handle, lambda it: phases(it).get("second") == "running")
        if end == "canceled":
            await cancel_run(clerk.engine.client, await the_run(clerk.engine, handle))
        elif end == "terminated":
            await terminate_run(clerk.engine.client, await the_run(clerk.engine, handle), "wrong prices")
        status = await clerk.end(handle)
        assert status.state.value == end
        desk.endless.clear()
        resumption = await clerk.prepare(handle, workflow)
        new = await clerk.end(await clerk.start(resumption))

    assert verdicts(resumption) == {
        "first": "kept: completed",
        "second": "re-run: was running when the run ended",
        "third": "re-run: did not run",
    }
    assert (new.state, new.result, new.error) == (RunState.COMPLETED, b'{"value":4}', None)
    assert (desk.calls["first"], desk.calls["third"]) == (1, 1)


async def test_a_resumed_run_can_be_resumed_again(clerk: Clerk) -> None:
    """Also from a task whose input only the first run of the three had to know."""
    desk = Desk()
    desk.broken.add("fourth")
    workflow = desk.chain(named("Again"), *CHAIN, "fourth")
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        second = await clerk.resume(handle, workflow)
        assert (await clerk.end(second)).state is RunState.FAILED
        third = await clerk.resume(second.run_id, workflow)
        assert (await clerk.end(third)).state is RunState.FAILED
        desk.broken.clear()
        resumption = await clerk.prepare(third.run_id, workflow, asked=["second"])
        last = await clerk.start(resumption)
        status = await clerk.end(last)

    assert verdicts(resumption)["first"] == "kept: completed"
    assert (status.state, status.result) == (RunState.COMPLETED, b'{"value":5}')
    assert desk.calls == {"first": 1, "second": 2, "third": 2, "fourth": 4}
    assert [(await past_status(clerk, handle.id, it)).resumed_as for it in chain_of(second, third, last)] == [
        second.run_id,
        third.run_id,
        last.run_id,
    ]


def chain_of(*runs: ResumedRun) -> list[str]:
    return [run.resumed_from for run in runs]


async def test_the_retries_of_a_resumed_run_keep_what_it_kept(clerk: Clerk) -> None:
    """`retries` of the workflow start it again from its own beginning, which is not that of the first run."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Retried"), *CHAIN, run_retries=1)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        old = await clerk.end(handle)
        assert (old.attempt, desk.calls) == (2, {"first": 2, "second": 2})
        started = await clerk.resume(handle, workflow)
        new = await clerk.end(started)
        again = await clerk.prepare(new.run_id, workflow)

    assert desk.calls == {"first": 2, "second": 4}
    assert (new.state, new.attempt, new.resumed_from) == (RunState.FAILED, 2, old.run_id)
    assert (old.run_id, started.resumed_from) == (started.resumed_from, old.run_id)
    assert [task.is_kept for task in new.tasks] == [True, False, False]
    assert verdicts(again)["first"] == "kept: completed"


async def test_a_run_that_a_foreign_client_started_can_be_resumed(clerk: Clerk) -> None:
    """Its plan came from a worker."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("Foreign"), *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start_foreign(workflow.name, {"value": 1})
        await failure(handle)
        desk.broken.clear()
        status = await clerk.end(await clerk.resume(handle, workflow))
        bare = await clerk.engine.start_foreign(workflow.name)
        assert await result(bare) == {"value": 3}
        again = await clerk.end(await clerk.resume(bare, workflow, asked=["third"]))

    assert (status.result, again.result) == (b'{"value":4}', b'{"value":3}')
    assert desk.calls == {"first": 2, "second": 3, "third": 3}


async def test_a_run_that_never_got_a_plan_runs_as_a_whole(clerk: Clerk) -> None:
    """Nobody worked before it was terminated."""
    desk = Desk()
    workflow = desk.chain(named("Planless"), *CHAIN)
    handle = await clerk.engine.start_foreign(workflow.name, {"value": 1})
    await handle.terminate()
    async with clerk.engine.worker(workflow):
        resumption = await clerk.prepare(handle, workflow)
        status = await clerk.end(await clerk.start(resumption))

    assert verdicts(resumption) == dict.fromkeys(CHAIN, "re-run: did not run")
    assert status.result == b'{"value":4}'


async def test_what_was_skipped_by_hand_stays_skipped(clerk: Clerk) -> None:
    """With the output that was given; a decision that came too late counts for nothing."""
    desk = Desk()
    desk.broken.add("left")
    workflow = desk.fan(named("ByHand"), "left", "right")
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await until_parked(clerk.engine, handle, "left")
        run = await the_run(clerk.engine, handle)
        await skip_task(clerk.engine.client, run, "right", b'{"value": 1000}')
        await skip_task(clerk.engine.client, run, "left", b'{"value": 100}')
        assert await result(handle) == {"value": 103}
        status = await clerk.end(await clerk.resume(handle, workflow, asked=["join"]))

    assert status.result == b'{"value":103}'
    assert desk.calls == {"start": 1, "left": 1, "right": 1, "join": 2}


async def test_a_parked_task_that_was_given_up_runs_again(clerk: Clerk) -> None:
    """The others of the fan are kept."""
    desk = Desk()
    desk.broken.add("left")
    workflow = desk.fan(named("GivenUp"), "left", "right", "middle")
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await until_parked(clerk.engine, handle, "left")
        await give_up_run(clerk.engine.client, await the_run(clerk.engine, handle))
        await failure(handle)
        desk.broken.clear()
        status = await clerk.end(await clerk.resume(handle, workflow))

    assert status.result == b'{"value":9}'
    assert desk.calls == {"start": 1, "left": 2, "right": 1, "middle": 1, "join": 1}


async def test_a_run_that_was_paused_is_not_paused_when_it_is_resumed(clerk: Clerk) -> None:
    """Somebody wants it to go on."""
    desk = Desk()
    workflow = desk.chain(named("Paused"), *CHAIN)
    handle = await clerk.engine.start(workflow, {"value": 1})
    await pause_run(clerk.engine.client, await the_run(clerk.engine, handle))
    await handle.terminate()
    async with clerk.engine.worker(workflow):
        status = await clerk.end(await clerk.resume(handle, workflow))
    assert status.state is RunState.COMPLETED


async def test_an_open_run_is_not_resumed(clerk: Clerk) -> None:
    """It says what to do instead: cancel it, or decide about the parked task."""
    desk = Desk()
    desk.broken.add("left")
    workflow = desk.fan(named("Open"), "left", "right")
    handle = await clerk.engine.start(workflow, {"value": 1})
    with pytest.raises(NotResumable, match=f"run '{handle.id}' is still open") as still_open:
        await clerk.prepare(handle, workflow)
    async with clerk.engine.worker(workflow):
        await until_parked(clerk.engine, handle, "left")
        with pytest.raises(NotResumable, match=f"run '{handle.id}' is open: task 'left' is parked") as parked:
            await clerk.prepare(handle, workflow)
        await handle.terminate()
    assert still_open.value.hint == f"moose-cli workflow cancel {handle.id}"
    assert parked.value.hint == f"moose-cli workflow retry {handle.id} left"


async def test_a_completed_run_is_only_resumed_from_a_task(clerk: Clerk) -> None:
    """And a task that is not there is told with those that are."""
    desk = Desk()
    workflow = desk.chain(named("Complete"), *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await result(handle)
        with pytest.raises(NotResumable, match="completed, so there is nothing to resume") as nothing:
            await clerk.prepare(handle, workflow)
        with pytest.raises(TaskNotFound, match="has no task 'thrid'") as unknown:
            await clerk.prepare(handle, workflow, asked=["thrid"])
        started = await clerk.resume(handle, workflow, asked=["third"])
        await clerk.end(started)
    assert nothing.value.hint == (
        f"name the first task to run again: moose-cli workflow resume {handle.first_execution_run_id} --from TASK"
    )
    assert unknown.value.hint == "its tasks are first, second, third"
    assert desk.calls == {"first": 1, "second": 1, "third": 2}
    old = await past_status(clerk, handle.id, started.resumed_from)
    assert (old.state, old.resumed_as) == (RunState.COMPLETED, started.run_id)


async def test_another_run_of_the_id_may_have_completed(clerk: Clerk) -> None:
    """It resumed nothing, so it keeps nobody from doing so."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain(named("SameIdCompleted"), *CHAIN)
    queue = clerk.engine.settings.temporal.task_queue
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        resumption = await clerk.prepare(handle, workflow)
        desk.broken.clear()
        await clerk.engine.client.execute_workflow(workflow.name, {"value": 1}, id=handle.id, task_queue=queue)
        status = await clerk.end(await clerk.start(resumption))
    assert (status.state, status.resumed_from) == (RunState.COMPLETED, handle.first_execution_run_id)


async def test_a_plan_that_somebody_has_looked_at_counts_only_for_that_code(clerk: Clerk) -> None:
    """Neither for other code nor for another decision; the same question has the same answer."""
    desk = Desk()
    desk.broken.add("second")
    name = named("Expected")
    workflow = desk.chain(name, *CHAIN)
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 1})
        await failure(handle)
        seen = await clerk.prepare(handle, workflow)
        assert (await clerk.prepare(handle, workflow, expected=seen.hash)).hash == seen.hash
        for code, asked in (("other", ()), ("code", ("first",))):
            with pytest.raises(PlanChanged) as refused:
                await clerk.prepare(handle, workflow, expected=seen.hash, code=code, asked=asked)
            assert refused.value.hint == f"moose-cli workflow resume {handle.first_execution_run_id} --dry-run"
    past = await read_past(clerk.engine.client, await the_run(clerk.engine, handle))
    assert past.outputs == {"first": b'{"value":2}'}


async def test_of_a_thousand_tasks_one_runs_again(clerk: Clerk) -> None:
    """998 are kept with the outputs that the join needs."""
    desk = Desk()
    sides = [f"side{n}" for n in range(998)]
    desk.broken.add("side500")
    workflow = desk.fan(named("Thousand"), *sides, on_failure="fail")
    async with clerk.engine.worker(workflow):
        handle = await clerk.engine.start(workflow, {"value": 0})
        await failure(handle, 200)
        before = desk.calls.copy()
        desk.broken.clear()
        resumption = await clerk.prepare(handle, workflow)
        status = await clerk.end(await clerk.start(resumption))

    assert len(resumption.kept) == 998
    assert (status.state, status.result) == (RunState.COMPLETED, b'{"value":1996}')
    assert desk.calls - before == {"side500": 1, "join": 1}
