"""Workers come and go; runs do not notice."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.integration.engine.support import Engine, Handle, result, until, worker_process

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.plan.progress import Progress

SOURCE = """
import asyncio, os, time
from pathlib import Path
from pydantic import BaseModel
from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

NOTES = Path(__file__).with_name("notes")

class Number(BaseModel):
    value: int

def note(text):
    with NOTES.open("a") as notes:
        notes.write(text + "\\n")

def first(number: Number) -> Number:
    note("first")
    return number

async def slow(ctx: TaskContext[Number]) -> Number:
    note(f"begun {ctx.run.attempt}")
    while not NOTES.with_name("go").exists():
        await asyncio.sleep(0.02)
    note(f"ended {ctx.run.attempt}")
    return ctx.input

def on_cancel(ctx: TaskContext[Number]) -> None:
    note("on_cancel")

def last(number: Number) -> Number:
    note("last")
    return Number(value=number.value + LAST)

last_task = Task[Number, Number](name="last", config=TaskConfig(run=last))
slow_task = Task[Number, Number](
    name="SLOW", config=TaskConfig(run=slow, retries=0, on_cancel=on_cancel, on_complete=[last_task])
)
first_task = Task[Number, Number](name="FIRST", config=TaskConfig(run=first, on_complete=[slow_task]))
Workflow(name="Lives", config=WorkflowConfig(starting_task=first_task))
"""


class Folder:
    """A project file and what its tasks noted."""

    def __init__(self, path: Path) -> None:
        self.file = path / "main.py"
        self._notes = path / "notes"
        self._go = path / "go"
        self.write()

    def write(self, *, first: str = "first", slow: str = "slow", last: int = 1) -> None:
        text = SOURCE.replace('"FIRST"', repr(first)).replace('"SLOW"', repr(slow)).replace("LAST", str(last))
        self.file.write_text(text)

    @property
    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    def go(self) -> None:
        self._go.touch()

    def has(self, note: str, times: int = 1) -> Callable[[], bool]:
        return lambda: self.notes.count(note) >= times


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def start(engine: Engine, folder: Folder) -> Handle:
    """A run started by a client that names it and gives an input, as any would."""
    return await engine.start_foreign("Lives", {"value": 1})


async def test_a_killed_worker_loses_nothing(engine: Engine, folder: Folder) -> None:
    """kill -9 in the middle of a task with `retries=0`: the next worker runs it again within seconds, as attempt 1."""
    async with worker_process(engine, folder.file) as process:
        handle = await start(engine, folder)
        await until(folder.has("begun 1"), 60)
        process.kill()
        await process.wait()
    folder.go()
    async with worker_process(engine, folder.file):
        assert await result(handle, 40) == {"value": 2}
    assert folder.notes == ["first", "begun 1", "begun 1", "ended 1", "last"]


async def test_a_draining_worker_lets_its_tasks_end(engine: Engine, folder: Folder) -> None:
    """SIGTERM: the running task ends within the grace period, on the old worker; the next worker goes on after it."""
    async with worker_process(engine, folder.file) as process:
        handle = await start(engine, folder)
        await until(folder.has("begun 1"), 60)
        process.terminate()
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"draining\n"
        folder.go()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert folder.notes == ["first", "begun 1", "ended 1"]
    async with worker_process(engine, folder.file):
        assert await result(handle, 40) == {"value": 2}
    assert folder.notes == ["first", "begun 1", "ended 1", "last"]


async def test_a_task_that_outlasts_the_grace_period_runs_again(engine: Engine, folder: Folder) -> None:
    """It is stopped without `on_cancel` and without using up an attempt, and the next worker runs it from its begin."""
    async with worker_process(engine, folder.file, grace="1s") as process:
        handle = await start(engine, folder)
        await until(folder.has("begun 1"), 60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    folder.go()
    async with worker_process(engine, folder.file):
        assert await result(handle, 40) == {"value": 2}
    assert folder.notes == ["first", "begun 1", "begun 1", "ended 1", "last"]


async def test_an_open_run_keeps_its_plan_when_the_graph_is_edited(engine: Engine, folder: Folder) -> None:
    """A finished task is renamed while the run is open: the run goes on, with the new code of the tasks still there."""
    async with worker_process(engine, folder.file, grace="10ms"):
        handle = await start(engine, folder)
        await until(folder.has("begun 1"), 60)
    folder.go()
    folder.write(first="renamed", last=10)
    async with worker_process(engine, folder.file):
        assert await result(handle, 40) == {"value": 11}


async def test_a_task_that_no_worker_knows_waits_for_one_that_does(engine: Engine, folder: Folder) -> None:
    """The pending task is renamed: the run stays open and says why, and completes when the name is back."""
    async with worker_process(engine, folder.file, grace="10ms"):
        handle = await start(engine, folder)
        await until(folder.has("begun 1"), 60)
    folder.go()
    folder.write(slow="renamed")

    async def is_unknown() -> bool:
        [pending] = (await handle.describe()).raw_description.pending_activities
        return pending.last_failure.application_failure_info.type == "TaskUnknown"

    async with worker_process(engine, folder.file):
        await until(is_unknown)
    folder.write(slow="slow")
    async with worker_process(engine, folder.file):
        assert await result(handle, 40) == {"value": 2}
    assert folder.notes == ["first", "begun 1", "begun 1", "ended 1", "last"]


class Number(BaseModel):
    value: int


def held_once(name: str, seen: list[str], begun: asyncio.Event) -> Workflow:
    """One task without retries: its first attempt takes a minute, any other ends at once."""
    loop = asyncio.get_running_loop()

    async def run(ctx: TaskContext[Number]) -> Number:
        seen.append(f"begun {ctx.run.attempt}")
        loop.call_soon_threadsafe(begun.set)
        if len(seen) == 1:
            await asyncio.sleep(60)
        return ctx.input

    def on_cancel(ctx: TaskContext[Number]) -> None:
        seen.append("on_cancel")

    task = Task[Number, Number](name="task", config=TaskConfig(run=run, retries=0, on_cancel=on_cancel))
    return Workflow(name=name, config=WorkflowConfig(starting_task=task))


async def test_a_shutdown_in_this_process_stops_handlers_after_the_grace_period(engine: Engine) -> None:
    """The handler is stopped, `on_cancel` does not run, and another worker in the same process completes the run."""
    seen = list[str]()
    begun = asyncio.Event()
    workflow = held_once("Drained", seen, begun)
    worker = engine.settings.worker.model_copy(update={"grace_period": engine.settings.dev.stop_grace_period / 50})
    hasty = Engine(engine.client, engine.settings.model_copy(update={"worker": worker}))
    async with hasty.worker(workflow):
        handle = await engine.start(workflow, {"value": 3})
        await begun.wait()
    async with engine.worker(workflow):
        assert await result(handle) == {"value": 3}
    assert seen == ["begun 1", "begun 1"]


async def test_a_worker_in_a_hurry_gives_its_attempts_back_at_once(engine: Engine) -> None:
    """Long before the grace period ends; `on_cancel` does not run and the attempt is not used up."""
    seen = list[str]()
    begun = asyncio.Event()
    workflow = held_once("Hurried", seen, begun)
    loop = asyncio.get_running_loop()
    hurry = asyncio.Event()
    async with engine.worker(workflow, hurry=hurry) as stop:
        handle = await engine.start(workflow, {"value": 3})
        await begun.wait()
        stop.set()
        hurry.set()
        leaving = loop.time()
    assert loop.time() - leaving < 5
    async with engine.worker(workflow):
        assert await result(handle) == {"value": 3}
    assert seen == ["begun 1", "begun 1"]


async def test_a_worker_says_once_what_it_does_not_know(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """It is asked again and again; a log that repeats itself is not read."""
    caplog.set_level(logging.DEBUG, "moose_lib")
    handle = await engine.start_foreign("Nobody", {"value": 1})

    def told() -> list[str]:
        return [record.levelname for record in caplog.records if "workflow 'Nobody'" in record.getMessage()]

    async with engine.worker():
        await until(lambda: len(told()) > 1)
    await handle.terminate()
    assert told()[:2] == ["WARNING", "DEBUG"]


async def test_a_slow_step_of_a_run_is_not_interrupted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK would do that after two seconds, and what it interrupts may stay broken."""
    begin, slept = Progress.start, list[float]()

    def slow_start(progress: Progress) -> tuple[str, ...]:
        if not slept:
            slept.append(2.5)
            time.sleep(slept[0])
        return begin(progress)

    monkeypatch.setattr(Progress, "start", slow_start)

    def same(number: Number) -> Number:
        return number

    task = Task[Number, Number](name="task", config=TaskConfig(run=same))
    workflow = Workflow(name="SlowStep", config=WorkflowConfig(starting_task=task))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        assert await result(handle) == {"value": 1}
    history = await handle.fetch_history()

    assert slept == [2.5]
    assert [event for event in history.events if event.HasField("workflow_task_failed_event_attributes")] == []
