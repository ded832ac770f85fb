"""Operations on runs against a real server: what a status knows, and from how little."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel
from temporalio.service import RPCError, RPCStatusCode
from tests.integration.conftest import connected, settings_for, temporal_server
from tests.integration.engine.support import Engine, Handle, failure, result, until

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import _workflows
from moose_lib.errors import AmbiguousRun, EngineUnreachable, MooseError, RunAlreadyStarted, RunNotFound, RunNotOpen
from moose_lib.operations import following, reading
from moose_lib.operations.connecting import connected as connected_client
from moose_lib.operations.control import cancel_run, select_open_runs, terminate_run
from moose_lib.operations.following import follow_run, run_status
from moose_lib.operations.listing import find_open_runs, find_run, list_runs
from moose_lib.operations.recorded import recorded_events
from moose_lib.operations.records import RunState, RunStatus, StartedRun, TaskPhase
from moose_lib.operations.rpc import told_by_server
from moose_lib.operations.runs import start_remote_run, start_run
from moose_lib.operations.workers import is_taken_up, list_pollers
from moose_lib.plan.build import compile_workflow


class Number(BaseModel):
    value: int = 0


def named(name: str) -> str:
    """A name no other test uses: they share the server."""
    return f"{name}{uuid.uuid4().hex[:8]}"


def single(name: str, run: Callable[..., object], *, retries: int = 0, run_retries: int = 0) -> Workflow:
    task = Task[Number, Number](name="only", config=TaskConfig(run=run, retries=retries))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return Workflow(name=name, config=WorkflowConfig(starting_task=task, retries=run_retries))


def same(number: Number) -> Number:
    return number


def chain(name: str, length: int) -> Workflow:
    tasks = list[Task[Number, Number]]()
    for n in reversed(range(length)):
        tasks.append(Task[Number, Number](name=f"t{n}", config=TaskConfig(run=same, on_complete=tasks[-1:])))
    return Workflow(name=name, config=WorkflowConfig(starting_task=tasks[-1]))


async def status_of(engine: Engine, handle: Handle) -> RunStatus:
    assert handle.first_execution_run_id is not None
    return await run_status(engine.client, handle.id, handle.first_execution_run_id)


async def test_a_run_over_many_histories_is_one_run(tmp_path: Path) -> None:
    """All tasks with their times, from the first run id as well as from the last."""
    with temporal_server(["limit.historyCount.suggestContinueAsNew=40"]) as port:
        settings = settings_for(port, tmp_path)
        engine = Engine(await connected(settings), settings)
        workflow = chain("Long", 30)
        async with engine.worker(workflow):
            handle = await engine.start(workflow, {"value": 7})
            assert await result(handle) == {"value": 7}
        first = await status_of(engine, handle)
        last = await run_status(engine.client, handle.id, first.run_id)

    assert first.run_id != first.first_run_id == handle.first_execution_run_id
    assert (first.state, first.result) == (RunState.COMPLETED, b'{"value":7}')
    assert [task.name for task in first.tasks] == [f"t{n}" for n in range(30)]
    assert all(task.state is TaskPhase.COMPLETED and task.started is not None for task in first.tasks)
    assert last == first


async def test_a_run_that_was_retried_as_a_whole_says_so(engine: Engine) -> None:
    """The last life counts; its error is the run's."""

    def fail(number: Number) -> Number:
        raise ValueError(f"no {number.value}")

    workflow = single(named("Again"), fail, run_retries=1)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 7})
        await failure(handle)
    status = await status_of(engine, handle)

    assert (status.state, status.attempt, status.max_attempts) == (RunState.FAILED, 2, 2)
    assert status.retried is not None
    assert status.retried.error == status.error
    assert status.run_id != status.first_run_id
    assert status.error is not None
    assert (status.error.task, status.error.tasks, str(status.error.error)) == ("only", ("only",), "ValueError: no 7")


async def test_a_workflow_no_worker_knows_is_reported(engine: Engine) -> None:
    """The run stays open for a worker that does, and then it is done."""
    name = named("Later")
    async with engine.worker(single(named("Other"), same)):
        run = await start_remote_run(
            engine.client, name, b'{"value": 3}', task_queue=engine.settings.temporal.task_queue, ui="http://ui"
        )
        assert run.ui_url == f"http://ui/namespaces/default/workflows/{run.workflow_id}/{run.run_id}/history"
        assert not await is_taken_up(engine.client, run, needs_plan=True, within=timedelta(seconds=0.5))
        assert await is_taken_up(engine.client, run, within=timedelta(seconds=5))

        async def is_unknown() -> bool:
            return (await run_status(engine.client, run.workflow_id, run.run_id)).is_workflow_unknown

        await until(is_unknown)
    async with engine.worker(single(name, same)):
        status = await follow_run(engine.client, run.workflow_id, run.run_id, lambda _: None)

    assert (status.state, status.result) == (RunState.COMPLETED, b'{"value":3}')
    assert [(task.name, task.attempts) for task in status.tasks] == [("only", 1)]
    assert await is_taken_up(engine.client, run, needs_plan=True, within=timedelta(seconds=5))


async def test_a_task_no_worker_knows_is_reported(engine: Engine) -> None:
    """The code was changed under an open run; the run waits for a worker with the old code."""
    name = named("Renamed")
    old = single(name, same)
    _workflows.clear()  # another process has the new code
    new = chain(name, 2)
    async with engine.worker(new):
        handle = await engine.start(old, {"value": 1})

        async def is_unknown() -> bool:
            status = await status_of(engine, handle)
            return bool(status.tasks) and status.tasks[0].state is TaskPhase.UNKNOWN

        await until(is_unknown)
        status = await status_of(engine, handle)
    assert status.tasks[0].attempts == 0
    await handle.terminate()


async def test_following_tells_of_each_change_until_the_end(engine: Engine) -> None:
    """Attempts that fail in between are seen, though the history does not have them; it has the last one in the end."""
    name = named("Flaky")
    seen = list[tuple[TaskPhase, int]]()

    def flaky(context: TaskContext[Number]) -> Number:
        if not any(phase is TaskPhase.RETRYING for phase, _ in seen):
            raise ValueError(f"not yet: {context.run.attempt}")
        return context.input

    workflow = single(name, flaky, retries=20)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        assert handle.first_execution_run_id is not None

        def look(status: RunStatus) -> None:
            seen.extend((task.state, task.attempts) for task in status.tasks)

        status = await follow_run(engine.client, handle.id, handle.first_execution_run_id, look)

    (task,) = status.tasks
    assert status.state is RunState.COMPLETED
    assert seen[-1] == (TaskPhase.COMPLETED, task.attempts)
    assert task.retried is not None
    assert str(task.retried.error) == f"ValueError: not yet: {task.attempts - 1}"


async def test_following_survives_a_lost_connection(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts over with the history; a refusal that stays is told."""
    read, failures = reading.read_events, [RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED]

    async def unsteady(*args: object, **options: object) -> object:
        async for event in read(*args, **options):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            yield event
            if failures:
                raise RPCError("gone", failures.pop(), b"")

    monkeypatch.setattr(following, "read_events", unsteady)
    workflow = single(named("Unsteady"), same)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        assert handle.first_execution_run_id is not None
        status = await follow_run(engine.client, handle.id, handle.first_execution_run_id, lambda _: None)
        assert status.state is RunState.COMPLETED
        failures.append(RPCStatusCode.PERMISSION_DENIED)
        with pytest.raises(RPCError):
            await follow_run(engine.client, handle.id, handle.first_execution_run_id, lambda _: None)
        failures.append(RPCStatusCode.NOT_FOUND)
        with pytest.raises(RunNotFound):
            await follow_run(engine.client, handle.id, handle.first_execution_run_id, lambda _: None)
        failures.append(RPCStatusCode.NOT_FOUND)
        with pytest.raises(RunNotFound):
            await run_status(engine.client, handle.id, handle.first_execution_run_id)


async def test_finding_prefers_the_latest_and_never_lags_for_an_id(engine: Engine) -> None:
    """A name has many runs; a workflow id is looked up directly."""
    name, queue = named("Found"), engine.settings.temporal.task_queue
    plan = compile_workflow(single(name, same))
    runs = [await start_run(engine.client, plan, None, task_queue=queue, workflow_id=f"{name}-{n}") for n in range(3)]

    assert (await find_run(engine.client, runs[2].workflow_id)).run_id == runs[2].run_id

    async def are_listed() -> bool:
        return len(await find_open_runs(engine.client, name)) == len(runs)

    await until(are_listed)
    assert (await find_run(engine.client, name)).run_id == runs[2].run_id
    assert (await find_run(engine.client, runs[0].run_id, name=name)).workflow_id == runs[0].workflow_id
    with pytest.raises(RunNotFound, match=f"no run of workflow 'Else' named '{runs[0].run_id}'"):
        await find_run(engine.client, runs[0].run_id, name="Else")
    with pytest.raises(RunNotFound, match="no run named"):
        await find_run(engine.client, "o'clock\\")
    listed = await list_runs(engine.client, task_queue=queue, name=name, states=[RunState.RUNNING], limit=2)
    assert [run.workflow_id for run in listed] == [runs[2].workflow_id, runs[1].workflow_id]
    assert await list_runs(engine.client, task_queue=queue, states=[RunState.FAILED]) == ()
    for run in await find_open_runs(engine.client, name):
        await terminate_run(engine.client, run, "done with it")


async def test_stopping_names_what_cannot_be_stopped(engine: Engine) -> None:
    """Several open runs are a question, an ended one is an answer."""
    name, queue = named("Stopped"), engine.settings.temporal.task_queue
    plan = compile_workflow(single(name, same))
    runs: list[StartedRun] = [await start_run(engine.client, plan, None, task_queue=queue) for _ in range(2)]
    with pytest.raises(RunAlreadyStarted, match="is open"):
        await start_run(engine.client, plan, None, task_queue=queue, workflow_id=runs[0].workflow_id)
    with pytest.raises(RunAlreadyStarted, match="is open"):
        await start_remote_run(engine.client, name, None, task_queue=queue, workflow_id=runs[0].workflow_id)

    async def are_listed() -> bool:
        return len(await find_open_runs(engine.client, name)) == len(runs)

    await until(are_listed)
    with pytest.raises(AmbiguousRun) as asked:
        await select_open_runs(engine.client, name)
    assert set(asked.value.runs) == {run.workflow_id for run in runs}
    both = await select_open_runs(engine.client, name, every=True)
    (one,) = await select_open_runs(engine.client, name, run_id=runs[0].run_id)
    assert {run.run_id for run in both} == {run.run_id for run in runs}
    assert one.run_id == runs[0].run_id

    for run in both:
        await terminate_run(engine.client, run, "enough")
    with pytest.raises(RunNotOpen, match="has already been terminated"):
        await select_open_runs(engine.client, runs[0].workflow_id)
    await cancel_run(engine.client, one)  # asks for what is so already
    with pytest.raises(RunNotOpen, match="has ended in the meantime"):
        await terminate_run(engine.client, one, "again")
    status = await run_status(engine.client, one.workflow_id, one.run_id)
    assert status.error is not None
    assert status.error.error.message == "enough"


async def test_a_run_that_took_too_long_says_so(engine: Engine) -> None:
    """Temporal ends it; nobody has to work for that."""
    task = Task[Number, Number](name="only", config=TaskConfig(run=same))
    workflow = Workflow(name=named("Late"), config=WorkflowConfig(starting_task=task, timeout="1s"))
    handle = await engine.start(workflow)
    assert handle.first_execution_run_id is not None
    status = await follow_run(engine.client, handle.id, handle.first_execution_run_id, lambda _: None)

    assert status.state is RunState.TIMED_OUT
    assert status.error is not None
    assert str(status.error.error) == "RunTimedOut: took longer than the workflow's timeout"
    assert [task.state for task in status.tasks] == [TaskPhase.SKIPPED]


async def test_a_large_result_that_is_not_here_does_not_hide_the_rest(engine: Engine, tmp_path: Path) -> None:
    """It is stored by reference, in a folder that another machine may not have."""

    class Text(BaseModel):
        text: str

    def write(number: Number) -> Text:
        return Text(text="x" * 400_000)

    task = Task[Number, Text](name="write", config=TaskConfig(run=write))
    workflow = Workflow(name=named("Large"), config=WorkflowConfig(starting_task=task))
    async with engine.worker(workflow):
        handle = await engine.start(workflow)
        await result(handle)
    here = await status_of(engine, handle)
    values = engine.settings.state_directory / "values"
    shutil.move(values, tmp_path / "elsewhere")
    try:
        away = await status_of(engine, handle)
        events = await recorded_events(engine.client, handle.id, here.run_id)
    finally:
        shutil.move(tmp_path / "elsewhere", values)

    assert here.result is not None
    assert len(here.result) > 400_000
    assert (away.state, away.result) == (RunState.COMPLETED, None)
    assert away.result_fault is not None
    assert "cannot be read" in away.result_fault
    assert away.tasks == here.tasks
    assert [event.result for event in events if event.result is not None] == []


async def test_pollers_are_those_who_work(engine: Engine) -> None:
    """Nobody, or the worker that is there."""
    queue = engine.settings.temporal.task_queue
    nobody = await list_pollers(engine.client, queue)
    async with engine.worker(single(named("Polled"), same)):

        async def is_there() -> bool:
            return bool(await list_pollers(engine.client, queue))

        await until(is_there)
        pollers = await list_pollers(engine.client, queue)

    assert nobody == ()
    assert {poller.identity for poller in pollers} == {pollers[0].identity}


async def test_what_the_server_refuses_is_an_error_of_ours(engine: Engine) -> None:
    """A server that went away is unreachable, anything else is told in its words."""
    with pytest.raises(EngineUnreachable, match="gone"), told_by_server(engine.client):
        raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
    with pytest.raises(MooseError, match=r"refused: not yours \(permission_denied\)"), told_by_server(engine.client):
        raise RPCError("not yours", RPCStatusCode.PERMISSION_DENIED, b"")
    async with connected_client(engine.settings) as client:
        assert client.namespace == "default"


async def test_a_canceled_run_has_canceled_tasks(engine: Engine) -> None:
    """The request is seen before the end is."""

    async def wait(number: Number) -> Number:
        await asyncio.sleep(60)
        return number

    workflow = single(named("Canceled"), wait)
    async with engine.worker(workflow):
        handle = await engine.start(workflow)

        async def is_running() -> bool:
            return [task.state for task in (await status_of(engine, handle)).tasks] == [TaskPhase.RUNNING]

        await until(is_running)
        await cancel_run(engine.client, await find_run(engine.client, handle.id))
        assert handle.first_execution_run_id is not None
        seen = list[bool]()
        status = await follow_run(
            engine.client, handle.id, handle.first_execution_run_id, lambda it: seen.append(it.is_cancel_requested)
        )

    assert seen[-1]
    assert (status.state, status.tasks[0].state) == (RunState.CANCELED, TaskPhase.CANCELED)


async def test_a_task_is_canceled_between_two_attempts(engine: Engine) -> None:
    """No attempt runs that could tell what it has sent; its run is shown all the same."""

    async def fail(number: Number) -> Number:
        raise OSError(f"not {number.value}")

    workflow = single(named("CanceledBetween"), fail, retries=50)
    async with engine.worker(workflow):
        handle = await engine.start(workflow)

        async def is_retrying() -> bool:
            return [task.state for task in (await status_of(engine, handle)).tasks] == [TaskPhase.RETRYING]

        await until(is_retrying)
        await cancel_run(engine.client, await find_run(engine.client, handle.id))
        assert handle.first_execution_run_id is not None
        status = await follow_run(engine.client, handle.id, handle.first_execution_run_id, lambda _: None)

    assert (status.state, status.tasks[0].state) == (RunState.CANCELED, TaskPhase.CANCELED)
