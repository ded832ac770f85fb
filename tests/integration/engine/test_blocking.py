"""Handlers that block in C code, where no exception reaches them, also on the event loop of all `async` handlers.

Their workers run without a tracer: under one, Python 3.11 keeps every thread busy while another one blocks with an
exception pending (it evaluates the same instruction again and again), so coverage would stop the whole worker.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from tests.integration.engine.support import Engine, failure, result, until, worker_process

from moose_lib.operations.explaining import Cause, Explanation, explain_run
from moose_lib.operations.listing import find_run

SOURCE = """
import asyncio
import time
from pathlib import Path
from pydantic import BaseModel
from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

NOTES = Path(__file__).with_name("notes")

class Number(BaseModel):
    value: int

def note(text):
    with NOTES.open("a") as notes:
        notes.write(text + "\\n")

def once(ctx: TaskContext[Number]) -> Number:
    note(f"begun {ctx.run.attempt}")
    if ctx.run.attempt == 1:
        time.sleep(60)
        note("not stopped")
    return ctx.input

def always(ctx: TaskContext[Number]) -> Number:
    note("begun")
    time.sleep(60)
    return ctx.input

def on_cancel(ctx: TaskContext[Number]) -> None:
    note("on_cancel")

async def stuck(ctx: TaskContext[Number]) -> Number:
    note("stuck")
    time.sleep(60)
    return ctx.input

async def clean(ctx: TaskContext[Number]) -> None:
    note("cleaned")

async def still(ctx: TaskContext[Number]) -> Number:
    note("still")
    while not NOTES.with_name("go").exists():
        await asyncio.sleep(0.1)
    return ctx.input

async def block(ctx: TaskContext[Number]) -> Number:
    note("block")
    while not NOTES.with_name("go").exists():
        time.sleep(0.1)
    return ctx.input

async def quick(ctx: TaskContext[Number]) -> Number:
    note("quick")
    return ctx.input

def define(name, **config):
    task = Task[Number, Number](name="task", config=TaskConfig(**config))
    Workflow(name=name, config=WorkflowConfig(starting_task=task))

define("TimesOut", run=once, timeout="2s", retries=1)
define("GetsCanceled", run=always, on_cancel=on_cancel)
define("Stuck", run=stuck, on_cancel=clean, timeout="2s", retries=0)
define("Quick", run=quick)
define("Still", run=still)
define("Block", run=block)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text(SOURCE)
    return file


def notes(file: Path) -> list[str]:
    found = file.with_name("notes")
    return found.read_text().splitlines() if found.exists() else []


async def test_a_blocking_handler_times_out_and_is_left_behind(engine: Engine, file: Path) -> None:
    """`time.sleep` cannot be interrupted: the attempt ends at its timeout all the same, and the next one runs."""
    async with worker_process(engine, file, is_measured=False):
        started = time.monotonic()
        assert await result(await engine.start_foreign("TimesOut", {"value": 1})) == {"value": 1}
        assert time.monotonic() - started < 40
    assert notes(file) == ["begun 1", "begun 2"]


async def test_cancel_of_a_handler_that_blocks(engine: Engine, file: Path) -> None:
    """`on_cancel` does not wait for code that cannot be stopped."""
    async with worker_process(engine, file, is_measured=False):
        handle = await engine.start_foreign("GetsCanceled", {"value": 1})
        await until(lambda: notes(file) == ["begun"])
        asked = time.monotonic()
        await handle.cancel()
        assert (await failure(handle)).class_name == "CancelledError"
        assert time.monotonic() - asked < 40
    assert notes(file) == ["begun", "on_cancel"]


async def test_async_handlers_run_beside_one_that_blocks_their_loop(engine: Engine, file: Path) -> None:
    """On another loop: those of other runs, and the `on_cancel` of the one that was left behind."""
    async with worker_process(engine, file, is_measured=False):
        stuck = await engine.start_foreign("Stuck", {"value": 1})
        await until(lambda: notes(file) == ["stuck"])
        begun = time.monotonic()
        assert await result(await engine.start_foreign("Quick", {"value": 1})) == {"value": 1}
        assert (await failure(stuck)).class_name == "moose_lib.errors.TaskTimedOut"
        assert time.monotonic() - begun < 40
    assert sorted(notes(file)) == ["cleaned", "quick", "stuck"]


async def test_who_is_held_up_by_a_blocked_loop_is_explained(engine: Engine, file: Path) -> None:
    """For the run that waits and for the one that blocks, with the line of code."""
    async with worker_process(engine, file, is_measured=False):
        waits = await engine.start_foreign("Still", {"value": 1})
        await until(lambda: notes(file) == ["still"])
        blocks = await engine.start_foreign("Block", {"value": 1})

        async def explained(handle: WorkflowHandle[Any, Any]) -> Explanation:
            return await explain_run(engine.client, await find_run(engine.client, handle.id))

        async def told(handle: WorkflowHandle[Any, Any]) -> str:
            """Once it is known: with a heartbeat."""
            async with asyncio.timeout(60):
                while (found := await explained(handle)).cause is not Cause.BLOCKED:  # noqa: ASYNC110  # the server knows
                    await asyncio.sleep(0.1)
            assert found.task is not None
            assert not found.is_healthy
            return str(found.task.held_up_by)

        line = f"{file}:{SOURCE[: SOURCE.index('time.sleep(0.1)')].count(chr(10)) + 1}, in block"
        assert await told(waits) == f"task 'task' of run '{blocks.id}' blocks its event loop, at {line}"
        assert await told(blocks) == f"it blocks the event loop of async handlers, at {line}"
        file.with_name("go").touch()
        assert [await result(each) for each in (waits, blocks)] == [{"value": 1}] * 2
