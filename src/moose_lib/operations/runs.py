"""Starting runs."""

from __future__ import annotations

import hashlib
import json

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from moose_lib.engine import wire
from moose_lib.engine.starting import start_arguments
from moose_lib.errors import RunAlreadyStarted
from moose_lib.operations.identity import new_workflow_id
from moose_lib.operations.links import run_url
from moose_lib.operations.records import StartedRun
from moose_lib.plan.model import Plan

__all__ = ["start_remote_run", "start_run"]


async def start_run(
    client: Client,
    plan: Plan,
    data: bytes | None,
    *,
    task_queue: str,
    workflow_id: str | None = None,
    ui: str | None = None,
    is_once: bool = False,
) -> StartedRun:
    """Start a run of `plan`, now, also if the workflow has a schedule; `data` is its input as JSON.

    `workflow_id` is any name for the run, a fresh one by default; `ui` is the address of Temporal's UI. With `is_once`,
    a run that has or had this workflow id is answered instead of a new one, if it was started with this input.

    Raises:
        RunAlreadyStarted: a run with this workflow id is open, or, with `is_once`, was started with another input.
        ValueTooLarge: the input is over the hard limit.
    """
    start = start_arguments(plan, data)
    identity = workflow_id or new_workflow_id(plan.workflow)
    try:
        handle = await client.start_workflow(
            start.workflow,
            args=start.args,
            id=identity,
            task_queue=task_queue,
            execution_timeout=start.execution_timeout,
            retry_policy=start.retry_policy,
            memo={**start.memo, wire.MEMO_INPUT: _digest(data)} if is_once else start.memo,
            id_reuse_policy=(
                WorkflowIDReusePolicy.REJECT_DUPLICATE if is_once else WorkflowIDReusePolicy.ALLOW_DUPLICATE
            ),
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=start.static_summary,
            static_details=start.static_details,
        )
    except WorkflowAlreadyStartedError as error:
        if is_once:
            await _check_input(client, error, data)
            return _started(client, plan.workflow, identity, error.run_id, ui)
        raise _already_started(error) from error
    return _started(client, plan.workflow, identity, handle.result_run_id, ui)


async def _check_input(client: Client, error: WorkflowAlreadyStartedError, data: bytes | None) -> None:
    """Compare with the input that a run was started with, if it is known: not of a run that was resumed."""
    memo = await (await client.get_workflow_handle(error.workflow_id, run_id=error.run_id).describe()).memo()
    if memo.get(wire.MEMO_INPUT, _digest(data)) != _digest(data):
        raise RunAlreadyStarted(
            f"run {error.workflow_id!r} was started with another input",
            hint=f"moose-cli workflow status {error.workflow_id}",
        ) from error


def _digest(data: bytes | None) -> str:
    """The same for the same JSON, however it is written."""
    text = "" if data is None else json.dumps(json.loads(data), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


async def start_remote_run(
    client: Client,
    workflow: str,
    data: bytes | None,
    *,
    task_queue: str,
    workflow_id: str | None = None,
    ui: str | None = None,
) -> StartedRun:
    """Start a run of a workflow whose code is elsewhere: a worker that knows it brings the plan and checks the input.

    Raises:
        RunAlreadyStarted: a run with this workflow id is open.
    """
    identity = workflow_id or new_workflow_id(workflow)
    try:
        handle = await client.start_workflow(
            workflow,
            args=[] if data is None else [wire.json_value(data)],
            id=identity,
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
    except WorkflowAlreadyStartedError as error:
        raise _already_started(error) from error
    return _started(client, workflow, identity, handle.result_run_id, ui)


def _started(client: Client, workflow: str, workflow_id: str, run_id: str | None, ui: str | None) -> StartedRun:
    assert run_id is not None, "a started run has an id"
    return StartedRun(
        workflow=workflow,
        workflow_id=workflow_id,
        run_id=run_id,
        ui_url=run_url(ui, client.namespace, workflow_id, run_id),
    )


def _already_started(error: WorkflowAlreadyStartedError) -> RunAlreadyStarted:
    return RunAlreadyStarted(
        f"a run with the id {error.workflow_id!r} is open",
        hint=f"moose-cli workflow status {error.workflow_id}",
    )
