"""What a handler that blocks the event loop does to the others: nothing to those that come after it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.engine.handlers import Handlers
from moose_lib.engine.running import Running
from moose_lib.logs.attribution import current_run


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Handlers]:
    """A loop counts as blocked after a fifth of a second."""
    monkeypatch.setattr("moose_lib.engine.loops._LOOK_SECONDS", 0.02)
    with Handlers() as handlers:
        yield handlers


class Blockade:
    """Handlers that note in which thread they begin; `block` blocks until `go` is set."""

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()
        self.threads = list[str]()

    async def block(self) -> None:
        await self.note()
        self.entered.set()
        self.go.wait(60)  # its loop is not free meanwhile: that is the point

    async def note(self) -> None:
        self.threads.append(threading.current_thread().name)

    async def wait(self) -> None:
        await self.note()
        await asyncio.sleep(3600)


def begin(handlers: Handlers, task: str, call: Callable[[], Awaitable[object]]) -> Running:
    """Run a call as the attempt of a task."""
    current_run.set(RunInfo(workflow="W", workflow_id="w-1", run_id="r", task=task, attempt=1))
    return handlers.on_loop(call)


async def done(running: Running) -> BaseException | None:
    return (await asyncio.wait_for(running.outcome, 60)).error


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # another thread does what is waited for
            await asyncio.sleep(0.01)


async def test_handlers_that_come_while_one_blocks_run_on_another_loop(handlers: Handlers) -> None:
    """Those that waited already and those that come later, until the first loop answers again."""
    blockade = Blockade()
    blocking = begin(handlers, "slow", blockade.block)
    await until(blockade.entered.is_set)
    await done(begin(handlers, "early", blockade.note))
    await done(begin(handlers, "late", blockade.note))
    assert blockade.threads == ["moose-handlers-1", "moose-handlers-2", "moose-handlers-2"]

    blockade.go.set()
    await done(blocking)
    async with asyncio.timeout(60):
        while blockade.threads[-1] != "moose-handlers-1":
            await done(begin(handlers, "after", blockade.note))


async def test_the_blocker_and_those_that_it_holds_up_are_told(
    handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    """Each in its own log, with the line that blocks."""
    blockade = Blockade()
    waiting = begin(handlers, "waits", blockade.wait)
    await until(lambda: blockade.threads)
    assert waiting.held_up_by is None
    blocking = begin(handlers, "slow", blockade.block)
    await until(lambda: len(caplog.records) == 2)
    held_up_by = str(waiting.held_up_by)
    itself = str(blocking.held_up_by)
    waiting.stop()
    assert not waiting.has_heard
    blockade.go.set()
    assert await done(blocking) is None
    assert isinstance(await done(waiting), asyncio.CancelledError)

    line = held_up_by.partition(", at ")[2]
    assert itself == f"it blocks the event loop of async handlers, at {line}"
    assert held_up_by.startswith(f"task 'slow' of run 'w-1' blocks its event loop, at {__file__}:")
    assert held_up_by.endswith(", in block")
    told = {record.task: record.getMessage() for record in caplog.records if record.levelno == logging.WARNING}  # type: ignore[attr-defined]  # put there by the adapter
    assert told["waits"] == f"this task stands still: {held_up_by}"
    assert told["slow"].startswith("task 'slow' of run 'w-1' blocks the event loop of async handlers for 0 s by now")
    assert told["slow"].endswith(
        f", at {line}: make the handler a def, or let a thread do that (await asyncio.to_thread)"
    )


async def test_a_call_that_waits_for_a_blocked_loop_can_be_stopped(handlers: Handlers) -> None:
    """At once, and it never begins."""
    blockade = Blockade()
    blocking = begin(handlers, "slow", blockade.block)
    await until(blockade.entered.is_set)
    unwanted = begin(handlers, "unwanted", blockade.note)
    unwanted.stop()
    assert isinstance(await done(unwanted), asyncio.CancelledError)
    blockade.go.set()
    await done(blocking)
    await done(begin(handlers, "after", blockade.note))

    assert unwanted.has_heard
    assert len(blockade.threads) == 2


async def test_a_task_that_the_handler_started_may_be_the_blocker(
    handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    blockade = Blockade()

    async def gather() -> None:
        await asyncio.gather(blockade.note(), blockade.block())

    blocking = begin(handlers, "gathers", gather)
    await until(lambda: caplog.records)
    assert str(blocking.held_up_by).startswith("it blocks the event loop of async handlers, at ")
    blockade.go.set()
    await done(blocking)

    assert caplog.records[0].getMessage().startswith("task 'gathers' of run 'w-1' blocks the event loop")
