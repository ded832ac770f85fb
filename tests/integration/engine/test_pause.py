"""A paused run starts nothing new, whatever is restarted meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio.common import RawValue
from tests.integration.conftest import connected, free_port, settings_for, temporal_binary
from tests.integration.engine.steering import Desk, Number, phases, status_of, the_run, until_status
from tests.integration.engine.support import Engine, result, until, worker_process

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.errors import RunNotOpen
from moose_lib.operations.decisions import pause_run, unpause_run


async def test_running_tasks_finish_with_their_further_attempts(engine: Engine) -> None:
    """And nothing after them starts, until the run is unpaused."""
    begun, go, attempts = asyncio.Event(), asyncio.Event(), list[int]()
    loop = asyncio.get_running_loop()

    async def flaky(ctx: TaskContext[Number]) -> Number:
        attempts.append(ctx.run.attempt)
        loop.call_soon_threadsafe(begun.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go.wait(), loop))
        if ctx.run.attempt == 1:
            raise OSError("again")
        return ctx.input

    desk = Desk()
    last = Task[Number, Number](name="last", config=TaskConfig(run=desk.call))
    first = Task[Number, Number](name="first", config=TaskConfig(run=flaky, retries=1, on_complete=[last]))
    workflow = Workflow(name="PauseRunning", config=WorkflowConfig(starting_task=first))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await begun.wait()
        await pause_run(engine.client, await the_run(engine, handle))
        go.set()
        status = await until_status(engine, handle, lambda it: phases(it).get("first") == "completed")
        assert (status.is_open, status.is_paused, phases(status)["last"]) == (True, True, "waiting")
        await asyncio.sleep(0.3)  # time for what must not happen
        assert (attempts, desk.calls) == ([1, 2], {})
        await unpause_run(engine.client, await the_run(engine, handle))
        assert await result(handle) == {"value": 2}
    assert not (await status_of(engine, handle)).is_paused
    await engine.replay(handle)


async def test_a_run_can_be_paused_before_anybody_works(engine: Engine) -> None:
    """Not even its first task starts; a run without a plan gets its plan, and waits then."""
    desk = Desk()
    workflow = desk.chain("PauseEarly", "first", "second")
    planned = await engine.start(workflow, {"value": 1})
    foreign = await engine.start_foreign("PauseEarly", {"value": 1})
    for handle in (planned, foreign):
        await pause_run(engine.client, await the_run(engine, handle))
        assert (await status_of(engine, handle)).is_paused
    async with engine.worker(workflow):
        for handle in (planned, foreign):
            status = await until_status(engine, handle, lambda it: it.is_picked_up and it.is_planned)
            assert phases(status) == {"first": "waiting", "second": "waiting"}
        await asyncio.sleep(0.3)  # time for what must not happen
        assert desk.calls == {}
        for handle in (planned, foreign):
            await unpause_run(engine.client, await the_run(engine, handle))
            assert await result(handle) == {"value": 3}


async def test_the_last_word_counts(engine: Engine) -> None:
    """However often it was said, with nobody there to hear it."""
    desk = Desk()
    workflow = desk.chain("PauseWords", "first", "second")
    handle = await engine.start(workflow, {"value": 1})
    run = await the_run(engine, handle)
    for say in (pause_run, pause_run, unpause_run, pause_run, unpause_run, unpause_run):
        await say(engine.client, run)
    async with engine.worker(workflow):
        assert await result(handle) == {"value": 3}
    with pytest.raises(RunNotOpen):
        await pause_run(engine.client, run)
    await engine.replay(handle)


async def test_a_paused_run_can_be_canceled(engine: Engine) -> None:
    """It is not held back by the pause."""
    desk = Desk()
    workflow = desk.chain("PauseCancel", "first", "second")
    handle = await engine.start(workflow, {"value": 1})
    await pause_run(engine.client, await the_run(engine, handle))
    async with engine.worker(workflow):
        await handle.cancel()
        status = await until_status(engine, handle, lambda it: not it.is_open)
    assert (status.state.value, phases(status)) == ("canceled", {"first": "skipped", "second": "skipped"})
    assert not status.is_paused


SOURCE = """
import asyncio
from pathlib import Path
from pydantic import BaseModel
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

NOTES = Path(__file__).with_name("notes")

class Number(BaseModel):
    value: int

def note(text):
    with NOTES.open("a") as notes:
        notes.write(text + "\\n")

async def first(number: Number) -> Number:
    note("first")
    while not NOTES.with_name("go").exists():
        await asyncio.sleep(0.02)
    return number

def last(number: Number) -> Number:
    note("last")
    return number

last_task = Task[Number, Number](name="last", config=TaskConfig(run=last))
first_task = Task[Number, Number](name="first", config=TaskConfig(run=first, retries=0, on_complete=[last_task]))
Workflow(name="PausedLives", config=WorkflowConfig(starting_task=first_task))
"""


@contextmanager
def durable_server(port: int, database: Path) -> Generator[subprocess.Popen[bytes]]:
    """A server with a database file, on a given port."""
    command = [temporal_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--http-port", str(free_port()), "--metrics-port", str(free_port()), "--log-level", "error"]
    with subprocess.Popen([*command, "--db-filename", str(database)], stdout=subprocess.DEVNULL) as server:
        try:
            yield server
        finally:
            server.kill()


async def test_a_pause_outlives_worker_and_server(tmp_path: Path) -> None:
    """kill -9 of the worker in the middle of a task, kill -9 of Temporal, both started again: still paused."""
    file, port = tmp_path / "main.py", free_port()
    file.write_text(SOURCE)
    settings = settings_for(port, tmp_path, "paused")

    def notes() -> list[str]:
        return (tmp_path / "notes").read_text().split() if (tmp_path / "notes").exists() else []

    with durable_server(port, tmp_path / "temporal.db"):
        engine = Engine(await connected(settings), settings)
        async with worker_process(engine, file) as process:
            handle = await engine.start_foreign("PausedLives", {"value": 1})
            await until(lambda: notes() == ["first"], 60)
            await pause_run(engine.client, await the_run(engine, handle))
            process.kill()
            await process.wait()
    (tmp_path / "go").touch()
    with durable_server(port, tmp_path / "temporal.db"):
        engine = Engine(await connected(settings), settings)
        assert (await status_of(engine, handle)).is_paused
        async with worker_process(engine, file):
            status = await until_status(engine, handle, lambda it: phases(it).get("first") == "completed")
            assert (status.is_paused, phases(status)["last"]) == (True, "waiting")
            assert notes() == ["first", "first"]
            await unpause_run(engine.client, await the_run(engine, handle))
            again = engine.client.get_workflow_handle(handle.id, result_type=RawValue)
            assert await result(again) == {"value": 1}
    assert notes() == ["first", "first", "last"]
