"""What limits all attempts of a task, and its waits for a worker, as a real server keeps it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from tests.integration.engine.steering import the_run, until_parked
from tests.integration.engine.support import Engine, Handle, failure, result, until

from moose_lib import RetryLater, RunOutcome, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows
from moose_lib.engine.workflow import Interpreter
from moose_lib.operations.decisions import give_up_run, retry_task
from moose_lib.operations.following import run_status
from moose_lib.operations.records import RunStatus, TaskPhase


class Number(BaseModel):
    value: int = 1


def same(number: Number) -> Number:
    return number


def declared(run: Any = same, *, task: str = "task", **settings: Any) -> Workflow:  # Any: any handler and settings
    start = Task[Number, Number](name=task, config=TaskConfig(run=run, **settings))
    workflow = Workflow(name=f"Limits{uuid.uuid4().hex[:8]}", config=WorkflowConfig(starting_task=start))
    registered_workflows().pop(workflow.name)
    return workflow


@asynccontextmanager
async def nobody_for_tasks(engine: Engine) -> AsyncGenerator[None]:
    """A worker that runs the interpreter and takes no task."""
    async with Worker(
        engine.client,
        task_queue=engine.settings.temporal.task_queue,
        workflows=[Interpreter],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


async def status_of(engine: Engine, handle: Handle) -> RunStatus:
    assert handle.result_run_id is not None
    return await run_status(engine.client, handle.id, handle.result_run_id)


async def test_a_task_that_no_worker_takes_fails_after_its_queue_timeout(engine: Engine) -> None:
    """Run and status say so in the same words; no attempt was made."""
    async with nobody_for_tasks(engine):
        handle = await engine.start(declared(queue_timeout="1s"), {"value": 1})
        error = await failure(handle)
        status = await status_of(engine, handle)
    assert error.summary == "QueueTimedOut: no worker took the task within 1s (queue_timeout)"
    assert (error.kind, error.task, error.attempt, error.is_retryable) == ("queue", "task", 0, True)
    [task] = status.tasks
    assert (task.state, task.attempts, str(task.error)) == (TaskPhase.FAILED, 0, error.summary)
    assert status.error is not None
    assert str(status.error.error) == error.summary


async def test_waiting_for_a_worker_counts_for_the_total_timeout(engine: Engine) -> None:
    async with nobody_for_tasks(engine):
        handle = await engine.start(declared(total_timeout="1s"), {"value": 1})
        error = await failure(handle)
    assert error.summary == ("TotalTimedOut: total_timeout of 1s is over before any attempt: no worker took the task")
    assert (error.kind, error.attempt) == ("timeout", 0)


async def test_a_later_wait_for_a_worker_tells_the_attempts_before(engine: Engine) -> None:
    """The worker goes during the first attempt."""
    begun, release = threading.Event(), threading.Event()

    def fail(number: Number) -> Number:
        begun.set()
        release.wait(30)
        raise OSError("disk")

    workflow = declared(fail, queue_timeout="2s", retry_delay="2s")
    async with engine.worker(workflow) as stop:
        handle = await engine.start(workflow, {"value": 1})
        await until(begun.is_set)
        stop.set()
        release.set()
    async with nobody_for_tasks(engine):
        error = await failure(handle)
        status = await status_of(engine, handle)
    assert error.message.startswith("no worker took the task within 2s (queue_timeout)")
    assert (error.kind, error.attempt) == ("queue", 1)
    assert status.tasks[0].attempts == 1


async def test_workers_that_do_not_know_the_task_do_not_keep_it_for_ever(engine: Engine) -> None:
    """Where the user limits the wait, asking one worker after the other is part of it."""
    workflow = declared(queue_timeout="2s")
    async with engine.worker(declared()):
        handle = await engine.start(workflow, {"value": 1})
        error = await failure(handle)
        status = await status_of(engine, handle)
    assert error.summary == "QueueTimedOut: no worker took the task within 2s (queue_timeout)"
    assert (error.attempt, status.tasks[0].attempts) == (0, 0)  # none has begun


async def test_a_task_that_asked_to_be_run_again_is_postponed(engine: Engine) -> None:
    """Status shows its own words, and that no attempt is used up."""

    def closed(number: Number) -> Number:
        raise RetryLater("10m", "the bank is closed")

    workflow = declared(closed, retries=1)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until(lambda: _is_postponed(engine, handle))
        status = await status_of(engine, handle)
        await handle.terminate()
    [task] = status.tasks
    assert task.error is not None
    assert (task.state, task.attempts, task.max_attempts) == (TaskPhase.RETRYING, 1, 2)
    assert task.error.message == "asked to be run again in 10m: the bank is closed"
    assert task.next_attempt is not None
    assert 500 < (task.next_attempt - status.started).total_seconds() < 700


async def _is_postponed(engine: Engine, handle: Handle) -> bool:
    return (await status_of(engine, handle)).tasks[0].is_postponed


async def test_limits_that_are_kept_change_nothing(engine: Engine) -> None:
    workflow = declared(total_timeout="1m", queue_timeout="30s", retry_jitter=0.5)
    assert await engine.run(workflow, {"value": 7}) == {"value": 7}


async def test_the_context_of_a_postponed_attempt_keeps_its_number(engine: Engine) -> None:
    seen = list[int]()

    def second_time(ctx: TaskContext[Number]) -> Number:
        seen.append(ctx.run.attempt)
        if len(seen) < 3:
            raise RetryLater("10ms")
        return ctx.input

    workflow = declared(second_time, retries=0)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 7})
        assert await result(handle) == {"value": 7}
        status = await status_of(engine, handle)
    assert (seen, status.tasks[0].attempts) == ([1, 1, 1], 1)


async def test_a_parked_task_begins_with_all_of_its_time_again(engine: Engine) -> None:
    """It was out of time when it was parked, and is not when it is retried; parked, no limit runs."""
    calls = list[int]()

    async def slow_once(ctx: TaskContext[Number]) -> Number:
        calls.append(ctx.run.attempt)
        if len(calls) == 1:
            await asyncio.sleep(60)
        return ctx.input

    workflow = declared(slow_once, total_timeout="5s", queue_timeout="4s", on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 7})
        status = await until_parked(engine, handle, "task")
        assert str(status.parked[0].error) == "TotalTimedOut: total_timeout of 5s is over after 1 attempt"
        await retry_task(engine.client, await the_run(engine, handle), "task")
        assert await result(handle) == {"value": 7}
    assert calls == [1, 1]


async def test_a_run_with_a_parked_task_has_its_hook_when_it_is_given_up(engine: Engine) -> None:
    """Parked is not failed: nobody is told before somebody has decided."""
    told = list[str]()

    def broken(number: Number) -> Number:
        raise OSError("disk")

    def tell(outcome: RunOutcome) -> None:
        told.append(f"{outcome.status}: {outcome.error}")

    workflow = declared(broken, retries=0, on_failure="park")
    workflow.config.on_failure = Task[RunOutcome, None](name="tell", config=TaskConfig(run=tell))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 7})
        await until_parked(engine, handle, "task")
        assert told == []
        await give_up_run(engine.client, await the_run(engine, handle), None)
        assert (await failure(handle)).task == "task"
        await engine.replay(handle)
    assert told == ["failed: OSError: disk"]
