"""Decisions that come so soon after a failure that the interpreter hears of both at once, the decision first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, RespondActivityTaskFailedRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from tests.integration.engine.steering import Desk, the_run, until_parked
from tests.integration.engine.support import Engine, failure, result

from moose_lib.engine.workflow import Interpreter
from moose_lib.operations.decisions import give_up_run, retry_task, skip_task
from moose_lib.operations.records import RunSummary

Decide = Callable[[Client, RunSummary], Awaitable[None]]


@asynccontextmanager
async def interpreting(engine: Engine) -> AsyncGenerator[None]:
    """A worker that interprets runs, has no tasks, and leaves nothing in a cache."""
    worker = Worker(
        engine.client,
        task_queue=engine.settings.temporal.task_queue,
        workflows=[Interpreter],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
    )
    async with worker:
        yield


async def taken_task(engine: Engine) -> bytes:
    """Take the next task as a worker does; the token under which to answer."""
    queue = TaskQueue(name=engine.settings.temporal.task_queue)
    request = PollActivityTaskQueueRequest(namespace=engine.client.namespace, task_queue=queue, identity="test")
    return (await engine.client.workflow_service.poll_activity_task_queue(request)).task_token


async def fail_task(engine: Engine, token: bytes) -> None:
    last = Failure(message="broken", application_failure_info=ApplicationFailureInfo(type="Boom", non_retryable=True))
    request = RespondActivityTaskFailedRequest(namespace=engine.client.namespace, task_token=token, failure=last)
    await engine.client.workflow_service.respond_activity_task_failed(request)


async def retry_first(client: Client, run: RunSummary) -> None:
    await retry_task(client, run, "first")


async def skip_first(client: Client, run: RunSummary) -> None:
    await skip_task(client, run, "first", b'{"value": 10}')


@pytest.mark.parametrize(
    ("name", "decide", "outcome"),
    [("PromptRetry", retry_first, {"value": 3}), ("PromptSkip", skip_first, {"value": 11})],
)
async def test_a_decision_that_meets_its_failure_counts(
    engine: Engine, name: str, decide: Decide, outcome: object
) -> None:
    """`status` says "parked" once the failure is recorded, whether or not a worker has looked at it."""
    workflow = Desk().chain(name, "first", "second", on_failure="park")
    handle = await engine.start(workflow, {"value": 1})
    async with interpreting(engine):
        token = await taken_task(engine)
    await fail_task(engine, token)
    await until_parked(engine, handle, "first")
    await decide(engine.client, await the_run(engine, handle))

    async with engine.worker(workflow):
        assert await result(handle) == outcome
    await engine.replay(handle)


async def test_giving_up_meets_the_failure(engine: Engine) -> None:
    workflow = Desk().chain("PromptFail", "first", "second", on_failure="park")
    handle = await engine.start(workflow, {"value": 1})
    async with interpreting(engine):
        token = await taken_task(engine)
    await fail_task(engine, token)
    await give_up_run(engine.client, await the_run(engine, handle))

    async with engine.worker(workflow):
        assert (await failure(handle)).message == "broken"
    await engine.replay(handle)


async def test_a_decision_before_the_failure_has_come_too_early(engine: Engine) -> None:
    """It was made about a task that was running; nobody has seen the failure yet."""
    desk = Desk()
    desk.broken.add("first")
    workflow = desk.chain("PromptEarly", "first", "second", on_failure="park")
    handle = await engine.start(workflow, {"value": 1})
    async with interpreting(engine):
        token = await taken_task(engine)
        await retry_task(engine.client, await the_run(engine, handle), "first")
        await until_heard(engine, handle.id)
    await fail_task(engine, token)

    async with engine.worker(workflow):
        await until_parked(engine, handle, "first")
        await handle.terminate()
    assert desk.calls == {}


async def until_heard(engine: Engine, workflow_id: str) -> None:
    """Ask the interpreter something: it has done what came before."""
    handle = engine.client.get_workflow_handle(workflow_id)
    await handle.query("__temporal_workflow_metadata")
