"""Handlers of every shape, and where they run."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.testing import ActivityEnvironment
from tests.integration.engine.support import Engine, failure, loaded, until

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.engine import attempt, wire
from moose_lib.engine.activities import Activities
from moose_lib.engine.attempts import MAX_LOSSES
from moose_lib.engine.failures import TaskFailure, read_failure
from moose_lib.engine.handlers import Handlers
from moose_lib.errors import EngineUnreachable
from moose_lib.logs.attribution import current_run
from moose_lib.plan.model import Source


class Number(BaseModel):
    value: int


def single(name: str, run: Any, **config: Any) -> Workflow:
    task = Task[Number, Number](name="task", config=TaskConfig(run=run, **config))
    return Workflow(name=name, config=WorkflowConfig(starting_task=task))


async def test_a_def_handler_may_return_an_awaitable(engine: Engine) -> None:
    """A plain wrapper around an async function is awaited, and its timeout counts both parts."""

    async def inner(number: Number) -> Number:
        await asyncio.sleep(0.01)
        return number

    def logged(run: Callable[[Number], Awaitable[Number]]) -> Callable[[Number], Awaitable[Number]]:
        @functools.wraps(run)
        def wrapper(number: Number) -> Awaitable[Number]:
            return run(number)

        return wrapper

    assert await engine.run(single("Wrapped", logged(inner)), {"value": 1}) == {"value": 1}


async def test_an_awaitable_of_a_def_handler_is_stopped_at_the_timeout(engine: Engine) -> None:
    """The second part of such a handler has no time of its own."""

    def run(number: Number) -> Awaitable[Number]:
        return asyncio.sleep(60, number)

    error = await engine.fail(single("WrappedLate", run, timeout="300ms", retries=0), {"value": 1})
    assert error.kind == "timeout"


async def test_user_code_runs_beside_the_workers_loop(engine: Engine) -> None:
    """`async` handlers share a loop that is not the worker's, `def` handlers have threads; both see their run."""
    seen = dict[str, object]()

    async def on_loop(ctx: TaskContext[Number]) -> Number:
        seen["loop"] = asyncio.get_running_loop()
        seen["async run"] = current_run.get()
        return ctx.input

    def in_thread(ctx: TaskContext[Number]) -> Number:
        seen["thread"] = threading.current_thread()
        seen["sync run"] = contextvars.copy_context()[current_run]
        seen["run"] = ctx.run
        return ctx.input

    last = Task[Number, Number](name="last", config=TaskConfig(run=in_thread))
    start = Task[Number, Number](name="start", config=TaskConfig(run=on_loop, on_complete=[last]))
    await engine.run(Workflow(name="Places", config=WorkflowConfig(starting_task=start)), {"value": 1})
    assert seen["loop"] is not asyncio.get_running_loop()
    assert seen["thread"] is not threading.main_thread()
    assert seen["sync run"] == seen["run"]
    assert seen["async run"] is not None


async def test_lines_carry_run_task_and_attempt(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """`ctx.logger` adds its fields to those the user passes; a failed attempt is logged with the user's traceback."""

    def run(ctx: TaskContext[Number]) -> Number:
        ctx.logger.info("charging", extra={"order": 7})
        raise ValueError("declined")

    with caplog.at_level(logging.INFO, "moose.task"):
        await engine.fail(single("Logged", run, retries=0), {"value": 1})
    charging, failed = (record for record in caplog.records if record.name == "moose.task")
    fields = charging.__dict__
    assert (fields["order"], fields["workflow"], fields["task"], fields["attempt"]) == (7, "Logged", "task", 1)
    assert fields["workflow_id"].startswith("Logged-")
    assert failed.message == "attempt failed"
    assert failed.exc_info is not None
    assert isinstance(failed.exc_info[1], ValueError)
    assert failed.exc_info[2] is not None
    assert failed.exc_info[2].tb_frame.f_code.co_filename == __file__
    assert not [record for record in caplog.records if record.name == "temporalio.activity"]


async def test_a_handler_that_cancels_itself_fails(engine: Engine) -> None:
    """A CancelledError nobody asked for is a failure of the task, not of the worker."""

    async def run(number: Number) -> Number:
        raise asyncio.CancelledError("own")

    error = await engine.fail(single("OwnCancel", run, retries=0), {"value": 1})
    assert error.class_name == "asyncio.exceptions.CancelledError"


async def test_on_cancel_has_a_limit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An `on_cancel` that does not end is stopped and reported; the run is canceled."""
    monkeypatch.setattr(attempt, "GRACE_SECONDS", 0.5)
    begun, stopped = threading.Event(), threading.Event()

    async def run(number: Number) -> Number:
        begun.set()
        await asyncio.sleep(60)
        return number

    def on_cancel(ctx: TaskContext[Number]) -> Awaitable[None]:
        async def forever() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                stopped.set()

        return forever()

    workflow = single("SlowCleanUp", run, on_cancel=on_cancel)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until(begun.is_set)
        await handle.cancel()
        assert (await failure(handle)).class_name == "CancelledError"
        await until(stopped.is_set)
    assert any("on_cancel took longer" in record.getMessage() for record in caplog.records)


async def test_a_task_that_no_worker_survives_fails(engine: Engine) -> None:
    """After ten lost workers the task is not given to another one."""

    def run(number: Number) -> Number:
        raise AssertionError("not called")

    project = loaded(engine.settings, single("Deadly", run))
    call = wire.Call(task="task", source=Source(kind="nothing"), timeout=None, retries=9)
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.default_info(), activity_type="Deadly/task", workflow_type="Deadly", attempt=MAX_LOSSES + 1
    )
    with Handlers() as handlers, pytest.raises(TaskFailure) as caught:
        await environment.run(Activities(project, handlers).perform, [wire.encode(call)])
    assert caught.value.non_retryable
    assert read_failure(caught.value).kind == "lost"
    assert "10 workers went away" in caught.value.message


async def test_a_worker_says_that_its_namespace_is_missing(engine: Engine) -> None:
    """Before it polls for nothing."""
    config = engine.client.config()
    config["namespace"] = "elsewhere"
    stranger = Engine(type(engine.client)(**config), engine.settings)

    def run(number: Number) -> Number:
        return number

    with pytest.raises(EngineUnreachable, match="namespace 'elsewhere'"):
        async with stranger.worker(single("Nowhere", run)):
            pass


async def test_a_closed_worker_leaves_a_blocking_handler_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Closing does not wait for ever for code that blocks the handlers' loop; what runs beside it is canceled."""
    ended, kept = list[str](), list[asyncio.Task[None]]()
    with Handlers() as handlers:

        async def leave_something() -> None:
            async def background() -> None:
                try:
                    await asyncio.sleep(60)
                finally:
                    ended.append("background")

            kept.append(asyncio.create_task(background()))
            await asyncio.sleep(0)

        await handlers.on_loop(leave_something).outcome
    assert ended == ["background"]

    entered, release = threading.Event(), threading.Event()
    with Handlers() as handlers:

        async def block() -> None:
            entered.set()
            release.wait(20)

        handlers.on_loop(block)
        await until(entered.is_set)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert any("is left behind" in record.getMessage() for record in caplog.records)
    release.set()
    await asyncio.sleep(0.1)
