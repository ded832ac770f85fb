"""Why a run is where it is, and the recorded input of its tasks, on a real server."""

from __future__ import annotations

import json

from tests.integration.engine.steering import Desk, the_run, until_parked, until_status
from tests.integration.engine.support import Engine, failure, result, until

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.operations.decisions import pause_run, retry_task, unpause_run
from moose_lib.operations.explaining import Cause, explain_run
from moose_lib.operations.past import read_past
from moose_lib.operations.records import RunState, TaskPhase
from moose_lib.operations.trying import recorded_input, try_task
from moose_lib.plan.build import compile_workflow


async def test_a_parked_task_is_explained_with_its_input(engine: Engine) -> None:
    """Values of several tasks are put together; when it goes on, the explanation goes with it."""
    desk = Desk()
    desk.broken.add("join")
    workflow = desk.fan("ExplainParked", "left", "right", on_failure="fail")
    workflow.config.on_task_failure = "park"
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "join")
        run = await the_run(engine, handle)
        parked = await explain_run(engine.client, run)
        desk.broken.clear()
        await retry_task(engine.client, run, "join")
        assert await result(handle) == {"value": 6}
        done = await explain_run(engine.client, run)

    assert (parked.cause, parked.is_healthy, parked.blocked, parked.attempts_left) == (Cause.PARKED, False, (), 0)
    assert parked.task is not None
    assert parked.task.error is not None
    assert "join is broken" in (parked.task.error.traceback or "")
    assert parked.input is not None
    assert parked.input.data is not None
    assert json.loads(parked.input.data) == {"halves": [{"value": 3}, {"value": 3}]}
    assert (parked.workers, parked.task_queue) == (1, engine.settings.temporal.task_queue)
    assert (done.cause, done.task) == (Cause.COMPLETED, None)


async def test_a_pause_an_attempt_to_come_and_a_task_that_runs_are_told_apart(engine: Engine) -> None:
    """Each names the task that is next to go on."""
    desk = Desk()
    desk.endless.add("first")
    desk.broken.add("second")
    workflow = desk.chain("ExplainOpen", "first", "second", "third", retries=50)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_status(engine, handle, lambda status: status.tasks[0].state is TaskPhase.RUNNING)
        run = await the_run(engine, handle)
        running = await explain_run(engine.client, run)
        await pause_run(engine.client, run)
        desk.endless.clear()
        await until_status(engine, handle, lambda status: status.tasks[0].state is TaskPhase.COMPLETED)
        paused = await explain_run(engine.client, run)
        await unpause_run(engine.client, run)
        await until(lambda: desk.calls["second"] > 1)  # the waits grow
        await until_status(engine, handle, lambda status: status.tasks[1].state is TaskPhase.RETRYING)
        retrying = await explain_run(engine.client, run)
        await handle.terminate("enough")
        ended = await explain_run(engine.client, run)

    assert [(each.cause, each.task and each.task.name) for each in (running, paused, retrying, ended)] == [
        (Cause.RUNNING, "first"),
        (Cause.PAUSED, "second"),
        (Cause.RETRYING, "second"),
        (Cause.TERMINATED, "second"),
    ]
    assert running.blocked == ("second", "third")
    assert paused.input is not None
    assert paused.input.data == b'{"value":2}'
    assert retrying.task is not None
    assert retrying.task.next_attempt is not None
    assert retrying.attempts_left == 51 - retrying.task.attempts


async def test_a_run_that_nobody_works_on_waits_for_a_worker(engine: Engine) -> None:
    """No worker has ever asked this queue for work."""
    handle = await engine.start(Desk().chain("ExplainAlone", "first"), {"value": 1})
    alone = await explain_run(engine.client, await the_run(engine, handle))
    await handle.terminate()

    assert (alone.cause, alone.task, alone.workers) == (Cause.NO_WORKER, None, 0)


async def test_a_task_that_failed_runs_here_with_its_recorded_input(engine: Engine) -> None:
    """The code of now, and the run stays as it was."""
    desk = Desk()
    desk.broken.add("join")
    workflow = desk.fan("TriedHere", "left", "right", on_failure="fail")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await failure(handle)
    run = await the_run(engine, handle)
    past, task = await read_past(engine.client, run), workflow.get_task("join")
    assert task is not None
    given = recorded_input(task, compile_workflow(workflow).task("join").source, past.input, past.outputs)
    info = RunInfo(workflow=run.name, workflow_id=run.workflow_id, run_id=run.run_id, task="join", attempt=1)

    assert isinstance(try_task(task, given, info).error, ValueError)
    desk.broken.clear()
    assert try_task(task, given, info).output == b'{"value":6}'
    assert (await explain_run(engine.client, run)).status.state is RunState.FAILED
