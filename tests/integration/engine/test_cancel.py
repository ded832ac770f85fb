"""Cancel reaches running code, `on_cancel` runs with the same state, and only then is the run canceled."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback

import pytest
from pydantic import BaseModel
from temporalio.client import WorkflowExecutionStatus
from tests.integration.engine.support import Engine, failure, until

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2.workflow import CancelHandler, Handler
from moose_lib.engine import attempt


class Number(BaseModel):
    value: int


def single(name: str, run: Handler[Number, Number], on_cancel: CancelHandler[Number] | None) -> Workflow:
    task = Task[Number, Number](name="task", config=TaskConfig(run=run, on_cancel=on_cancel))
    return Workflow(name=name, config=WorkflowConfig(starting_task=task))


async def canceled_after(engine: Engine, workflow: Workflow, begun: threading.Event) -> float:
    """Cancel the run once its handler has begun; the seconds it took to be canceled."""
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until(begun.is_set)
        asked = time.monotonic()
        await handle.cancel()
        error = await failure(handle)
        assert error.class_name == "CancelledError"
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
        return time.monotonic() - asked


async def test_cancel_of_an_async_handler(engine: Engine) -> None:
    """CancelledError in the handler, its `finally`, `on_cancel`, CANCELED: in this order, within seconds."""
    begun = threading.Event()
    order = list[str]()

    async def run(ctx: TaskContext[Number]) -> Number:
        ctx.state["job"] = 7
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            order.append("cancelled")
            raise
        finally:
            order.append("finally")
        return ctx.input

    async def on_cancel(ctx: TaskContext[Number]) -> None:
        await asyncio.sleep(0.5)
        order.append(f"on_cancel {ctx.state['job']} {ctx.run.task} {ctx.input.value}")

    assert await canceled_after(engine, single("CancelAsync", run, on_cancel), begun) < 20
    assert order == ["cancelled", "finally", "on_cancel 7 task 1"]


async def test_cancel_of_a_sync_handler(engine: Engine) -> None:
    """The exception arrives in the thread between two instructions; `finally` and `on_cancel` run."""
    begun = threading.Event()
    order = list[str]()

    def run(ctx: TaskContext[Number]) -> Number:
        ctx.state["job"] = 8
        begun.set()
        try:
            for _ in range(3000):
                time.sleep(0.02)
        finally:
            order.append("finally")
        return ctx.input

    def on_cancel(ctx: TaskContext[Number]) -> None:
        order.append(f"on_cancel {ctx.state['job']}")

    assert await canceled_after(engine, single("CancelSync", run, on_cancel), begun) < 20
    assert order == ["finally", "on_cancel 8"]


async def test_cancel_cannot_be_refused(engine: Engine) -> None:
    """A handler that swallows the cancellation and returns is canceled all the same."""
    begun = threading.Event()
    order = list[str]()

    async def run(number: Number) -> Number:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            order.append("swallowed")
        return number

    async def on_cancel(ctx: TaskContext[Number]) -> None:
        order.append("on_cancel")

    await canceled_after(engine, single("CancelSwallowed", run, on_cancel), begun)
    assert order == ["swallowed", "on_cancel"]


async def test_a_handler_that_goes_on_is_left_behind(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has had its time; the log does not say that it blocks."""
    monkeypatch.setattr(attempt, "GRACE_SECONDS", 0.5)
    begun, release = threading.Event(), asyncio.Event()

    async def run(number: Number) -> Number:
        begun.set()
        for _ in range(2):  # the second time, the worker ends
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return number

    with caplog.at_level(logging.WARNING, "moose.task"):
        await canceled_after(engine, single("CancelIgnored", run, None), begun)
    [record] = [record for record in caplog.records if record.name == "moose.task"]
    assert record.message == "the handler does not stop, and is left behind: it was told to, and goes on"


async def test_a_failing_on_cancel_is_reported(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The run is canceled, and the log has the exception with its task."""
    begun = threading.Event()

    async def run(number: Number) -> Number:
        begun.set()
        await asyncio.sleep(60)
        return number

    def on_cancel(ctx: TaskContext[Number]) -> None:
        raise LookupError("nothing to release")

    with caplog.at_level(logging.ERROR, "moose.task"):
        await canceled_after(engine, single("CancelBroken", run, on_cancel), begun)
    [record] = [record for record in caplog.records if record.name == "moose.task"]
    assert record.message == "on_cancel failed"
    assert record.__dict__["task"] == "task"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert [frame.name for frame in traceback.extract_tb(record.exc_info[2])] == ["on_cancel"]  # and none of ours


async def test_cancel_between_attempts(engine: Engine) -> None:
    """A task that waits for its next attempt is canceled at once; nothing runs any more."""
    begun = threading.Event()
    calls = list[int]()

    def run(ctx: TaskContext[Number]) -> Number:
        calls.append(ctx.run.attempt)
        begun.set()
        raise ValueError("again")

    assert await canceled_after(engine, single("CancelWaiting", run, None), begun) < 20
    assert calls[0] == 1
    assert len(calls) <= 2


async def test_cancel_without_a_worker(engine: Engine) -> None:
    """A run that nobody has taken up is canceled when a worker comes, without running a task."""
    calls = list[int]()

    def run(number: Number) -> Number:
        calls.append(1)
        return number

    workflow = single("CancelAlone", run, None)
    handle = await engine.start(workflow, {"value": 1})
    await handle.cancel()
    async with engine.worker(workflow):
        assert (await failure(handle)).class_name == "CancelledError"
    assert not calls


async def test_terminate_stops_the_code_without_on_cancel(engine: Engine) -> None:
    """Terminate is immediate for the run; the handler is stopped within seconds and nothing else of the user runs."""
    begun, stopped = threading.Event(), threading.Event()
    order = list[str]()

    async def run(number: Number) -> Number:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return number

    async def on_cancel(ctx: TaskContext[Number]) -> None:
        order.append("on_cancel")

    workflow = single("Terminated", run, on_cancel)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until(begun.is_set)
        await handle.terminate()
        await until(stopped.is_set, 10)
    assert not order
