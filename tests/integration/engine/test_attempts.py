"""Retries, timeouts and what they leave behind."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import timedelta
from typing import Final

from pydantic import BaseModel
from tests.integration.engine.support import Engine, Handle, failure, result

from moose_lib import NonRetryableError, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

_TASK_STARTED: Final = "activity_task_started_event_attributes"


class Number(BaseModel):
    value: int


class Other(BaseModel):
    text: str


def single(name: str, task: Task[Number, Number], retries: int | None = None, timeout: str | None = None) -> Workflow:
    return Workflow(name=name, config=WorkflowConfig(starting_task=task, retries=retries, timeout=timeout))


async def test_no_retries_is_one_attempt(engine: Engine) -> None:
    """`retries=0` runs a failing handler once."""
    calls = list[int]()

    def fail(ctx: TaskContext[Number]) -> Number:
        calls.append(ctx.run.attempt)
        raise OSError("disk")

    task = Task[Number, Number](name="task", config=TaskConfig(run=fail, retries=0))
    error = await engine.fail(single("Once", task), {"value": 1})
    assert (calls, error.attempt, error.class_name, error.is_retryable) == ([1], 1, "OSError", True)


async def test_a_retried_task_completes_and_sees_its_attempt(engine: Engine) -> None:
    """Two failures, then success: the handler sees attempts 1, 2, 3, and 1 s and 2 s pass before the retries."""
    calls = list[tuple[int, float]]()

    async def at_last(ctx: TaskContext[Number]) -> Number:
        calls.append((ctx.run.attempt, time.monotonic()))
        if ctx.run.attempt < ctx.input.value:
            raise TimeoutError("not yet")
        return ctx.input

    workflow = single("AtLast", Task[Number, Number](name="task", config=TaskConfig(run=at_last, retries=2)))
    async with engine.worker(workflow):
        for attempts, delay in ((2, 1), (3, 2)):
            calls.clear()
            handle = await engine.start(workflow, {"value": attempts})
            assert await result(handle) == {"value": attempts}
            assert [attempt for attempt, _ in calls] == [1, 2, 3][:attempts]
            assert await last_delay(handle) == timedelta(seconds=delay)
            await engine.replay(handle)
    waits = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(calls)]
    assert waits[0] >= 1
    assert waits[1] >= 2


async def last_delay(handle: Handle) -> timedelta:
    """How long the server was told to wait before the last attempt."""
    events = (await handle.fetch_history()).events
    [began] = [it.activity_task_started_event_attributes for it in events if it.HasField(_TASK_STARTED)]
    return began.last_failure.application_failure_info.next_retry_delay.ToTimedelta()


async def test_an_error_marked_as_final_is_not_retried(engine: Engine) -> None:
    """NonRetryableError ends the task at once, and the workflow's retries do not start the run again either."""
    calls = list[int]()

    def fail(ctx: TaskContext[Number]) -> Number:
        calls.append(ctx.run.attempt)
        raise NonRetryableError("declined")

    task = Task[Number, Number](name="task", config=TaskConfig(run=fail, retries=3))
    error = await engine.fail(single("Final", task, retries=2), {"value": 1})
    assert calls == [1]
    assert (error.class_name, error.message) == ("moose_lib.errors.NonRetryableError", "declined")
    assert not error.is_retryable


async def test_a_wrong_output_names_the_task_and_the_model(engine: Engine) -> None:
    """What does not fit the declared output fails without a retry, and no child starts."""
    calls = list[str]()

    def lie(number: Number) -> Number:
        calls.append("lie")
        return Other(text="x")  # type: ignore[return-value]  # the lie

    def child(number: Number) -> Number:
        calls.append("child")
        return number

    after = Task[Number, Number](name="after", config=TaskConfig(run=child))
    task = Task[Number, Number](name="liar", config=TaskConfig(run=lie, on_complete=[after]))
    error = await engine.fail(single("Wrong", task), {"value": 1})
    assert calls == ["lie"]
    assert error.kind == "output"
    assert "output of task 'liar' is not a valid Number" in error.message


async def test_task_and_workflow_retries_multiply(engine: Engine) -> None:
    """Task retries 2 and workflow retries 1: six executions, each run from attempt 1."""
    attempts = list[int]()

    def fail(ctx: TaskContext[Number]) -> Number:
        attempts.append(ctx.run.attempt)
        raise ValueError("always")

    task = Task[Number, Number](name="task", config=TaskConfig(run=fail, retries=2))
    await engine.fail(single("Multiply", task, retries=1), {"value": 1})
    assert attempts == [1, 2, 3, 1, 2, 3]


async def test_an_async_handler_is_stopped_at_its_timeout(engine: Engine) -> None:
    """It gets CancelledError, then `on_cancel` runs with the same state; the failure says the timeout."""
    seen = list[str]()

    async def slow(ctx: TaskContext[Number]) -> Number:
        ctx.state["step"] = "begun"
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("finally")
        return ctx.input

    async def clean(ctx: TaskContext[Number]) -> None:
        seen.append(f"on_cancel {ctx.state['step']}")

    task = Task[Number, Number](name="slow", config=TaskConfig(run=slow, timeout="3s", retries=0, on_cancel=clean))
    error = await engine.fail(single("SlowAsync", task), {"value": 1})
    assert seen == ["finally", "on_cancel begun"]
    assert (error.kind, error.message) == ("timeout", "took longer than its timeout of 3s")
    assert "await asyncio.sleep(60)" in (error.traceback or "")


async def test_a_workflow_timeout_covers_the_whole_run(engine: Engine) -> None:
    """The run times out though its retries are not used up, and the running handler is stopped within seconds."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def slow(number: Number) -> Number:
        try:
            await asyncio.sleep(60)
        finally:
            loop.call_soon_threadsafe(stopped.set)
        return number

    task = Task[Number, Number](name="slow", config=TaskConfig(run=slow))
    workflow = single("Late", task, retries=3, timeout="5s")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        assert (await failure(handle)).class_name == "TimeoutError"
        await asyncio.wait_for(stopped.wait(), 10)


async def test_blocking_async_handlers_lose_no_heartbeat(engine: Engine) -> None:
    """A handler that blocks its event loop for longer than the heartbeat timeout runs once and completes."""
    calls = list[int]()

    async def rude(number: Number) -> Number:
        calls.append(number.value)
        time.sleep(12)  # noqa: ASYNC251  # the rudeness
        return number

    task = Task[Number, Number](name="rude", config=TaskConfig(run=rude))
    assert await engine.run(single("Rude", task), {"value": 1}) == {"value": 1}
    assert calls == [1]


async def test_an_exception_that_cannot_be_shown_still_fails_the_task(engine: Engine) -> None:
    """A broken `__str__`, a huge message and an exit all become failures with their class."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise KeyError("no text")

    def fail(number: Number) -> Number:
        raise {1: Broken(), 2: ValueError("x" * 1_000_000), 3: SystemExit(3)}[number.value]

    task = Task[Number, Number](name="task", config=TaskConfig(run=fail, retries=0))
    workflow = single("Unshowable", task)
    async with engine.worker(workflow):
        errors = [await failure(await engine.start(workflow, {"value": n})) for n in (1, 2, 3)]
    assert errors[0].class_name.endswith("Broken")
    assert errors[0].message == "<its __str__ raised KeyError>"
    assert len(errors[1].message) < 5_000
    assert "bytes left out" in errors[1].message
    assert errors[2].class_name == "SystemExit"
