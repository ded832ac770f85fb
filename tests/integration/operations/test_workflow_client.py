"""Starting and ending runs from Python code, as users of the existing Moose do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from temporalio.client import WorkflowExecutionStatus
from tests.integration.engine.support import Engine, until

from moose_lib import Task, TaskConfig, Workflow, WorkflowClient, WorkflowConfig
from moose_lib.dmv2._registry import _workflows


class Number(BaseModel):
    value: int


@pytest.fixture
def starter(engine: Engine, tmp_path: Path) -> WorkflowClient:
    temporal = engine.settings.temporal
    (tmp_path / "moose.config.toml").write_text(
        f'[temporal_config]\ntemporal_host = "127.0.0.1"\ntemporal_port = {temporal.port}\n'
        f'task_queue = "{temporal.task_queue}"\n'
    )
    return WorkflowClient(tmp_path)


@pytest.fixture
def doubling() -> Iterator[Workflow]:
    name = f"Doubling{uuid.uuid4().hex[:8]}"
    task = Task[Number, Number](name="double", config=TaskConfig(run=lambda number: Number(value=2 * number.value)))
    workflow = Workflow(name=name, config=WorkflowConfig(starting_task=task))
    yield workflow
    del _workflows[name]


def workflow_id(body: str) -> str:
    return body.removeprefix("Workflow started: ").partition(". View")[0]


@pytest.mark.parametrize("given", [Number(value=2), {"value": 2}, '{"value": 2}', b'{"value": 2}'])
async def test_a_run_is_started_also_inside_of_a_running_loop(
    engine: Engine, starter: WorkflowClient, doubling: Workflow, given: object
) -> None:
    answer = starter.execute(doubling.name, given)

    assert answer["status"] == 200
    async with engine.worker(doubling):
        handle = engine.client.get_workflow_handle(workflow_id(answer["body"]))
        assert await handle.result() == {"value": 4}


async def test_code_that_is_elsewhere_is_brought_by_a_worker(
    engine: Engine, starter: WorkflowClient, doubling: Workflow
) -> None:
    del _workflows[doubling.name]
    answer = await starter.execute_async(doubling.name, {"value": 4})
    _workflows[doubling.name] = doubling

    async with engine.worker(doubling):
        assert await engine.client.get_workflow_handle(workflow_id(answer["body"])).result() == {"value": 8}


async def test_what_cannot_be_started_is_answered_not_raised(starter: WorkflowClient, doubling: Workflow) -> None:
    wrong = await starter.execute_async(doubling.name, {"value": "many"})
    odd = await starter.execute_async(doubling.name, {"value": object()})

    assert (wrong["status"], odd["status"]) == (400, 400)
    assert "value: input should be a valid integer" in wrong["body"]
    assert "the input is not JSON" in odd["body"]


async def test_a_run_is_ended(engine: Engine, starter: WorkflowClient, doubling: Workflow) -> None:
    started = await starter.execute_async(doubling.name, {"value": 1})

    answer = await starter.terminate_async(workflow_id(started["body"]))

    assert answer == {"status": 200, "body": f"Workflow terminated: {workflow_id(started['body'])}"}
    handle = engine.client.get_workflow_handle(workflow_id(started["body"]))

    async def is_terminated() -> bool:
        return (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED

    await until(is_terminated)
    again = starter.terminate(workflow_id(started["body"]))
    assert again["status"] == 400
    assert "has already been terminated" in again["body"]


def test_outside_of_a_project_and_without_a_server_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__TEMPORAL_PORT", "1")

    answer = WorkflowClient(tmp_path).execute("Nothing")

    assert answer["status"] == 400
    assert "127.0.0.1:1" in answer["body"]
