"""Anyone can start a run: by the workflow's name, with the input as one JSON argument, or without."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.client import WorkflowExecutionStatus
from tests.integration.engine.support import Engine, failure, result, until

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig


class Number(BaseModel):
    value: int = 7


class Strict(BaseModel):
    value: int


def workflow_of(model: type[Any]) -> Workflow:
    def run(number: Any) -> Any:
        return number

    task = Task[model, model](name="task", config=TaskConfig(run=run))  # type: ignore[valid-type]  # a model by parameter
    return Workflow(name="Foreign", config=WorkflowConfig(starting_task=task))


async def test_a_run_started_with_a_bare_input(engine: Engine) -> None:
    """The worker gives the plan in a first, recorded step."""
    async with engine.worker(workflow_of(Number)):
        handle = await engine.start_foreign("Foreign", {"value": 3})
        assert await result(handle) == {"value": 3}
    types = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert types == ["moose/plan", "Foreign/task"]


@pytest.mark.parametrize("args", [(), (None,), ({},)])
async def test_a_run_started_without_an_input_uses_the_defaults(engine: Engine, args: tuple[object, ...]) -> None:
    """No argument, null and an empty object are all right for a model that has only defaults."""
    async with engine.worker(workflow_of(Number)):
        assert await result(await engine.start_foreign("Foreign", *args)) == {"value": 7}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (([1, 2],), "input of the run is not a valid Strict"),
        ((5,), "input of the run is not a valid Strict"),
        (("text",), "input of the run is not a valid Strict"),
        ((), "value: is missing"),
        (({"value": "x"},), "value: input should be a valid integer"),
        (({"value": 1}, 2, 3), "takes one argument"),
        ((b"bytes",), "the input of a run is JSON; this one is binary/plain"),
    ],
)
async def test_a_bad_input_fails_the_run_at_once(engine: Engine, args: tuple[object, ...], message: str) -> None:
    """Never RUNNING for ever: the run fails with what is wrong, and no task starts."""
    async with engine.worker(workflow_of(Strict)):
        handle = await engine.start_foreign("Foreign", *args)
        error = await failure(handle, 10)
    assert message in error.message
    assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED


async def test_an_unknown_workflow_waits_for_a_worker_that_knows_it(engine: Engine) -> None:
    """A worker without it never fails the run; it says so, and another worker completes the run."""

    async def other() -> None: ...

    stranger = Workflow(
        name="Stranger", config=WorkflowConfig(starting_task=Task[None, None](name="o", config=TaskConfig(run=other)))
    )

    async def is_unknown() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return bool(pending) and pending[0].last_failure.application_failure_info.type == "WorkflowUnknown"

    async with engine.worker(stranger):
        handle = await engine.start_foreign("Foreign", {"value": 2})
        await until(is_unknown)
    async with engine.worker(workflow_of(Strict)):
        assert await result(handle) == {"value": 2}


async def test_a_foreign_run_is_canceled_while_it_asks_for_its_plan(engine: Engine) -> None:
    """Cancel works before there is a plan."""

    async def other() -> None: ...

    stranger = Workflow(
        name="Stranger", config=WorkflowConfig(starting_task=Task[None, None](name="o", config=TaskConfig(run=other)))
    )
    async with engine.worker(stranger):
        handle = await engine.start_foreign("Foreign")
        await asyncio.sleep(0.3)
        await handle.cancel()
        assert (await failure(handle, 15)).class_name == "CancelledError"
