"""Handlers that block in C code, where no exception reaches them, also on the event loop of all `async` handlers.

Their workers run without a tracer: under one, Python 3.11 keeps every thread busy while another one blocks with an
exception pending (it evaluates the same instruction again and again), so coverage would stop the whole worker.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.integration.engine.support import Engine, failure, result, until, worker_process

SOURCE = """
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
