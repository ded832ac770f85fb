"""Runs have lives: a long one goes on in the next, a failed one begins again. Who speaks to a run means its newest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.errors import RunNotOpen
from moose_lib.operations.records import RunSummary

__all__ = ["Handle", "all_lives", "tell_run"]

Handle: TypeAlias = WorkflowHandle[Any, Any]  # Any: nobody asks this handle for a result


async def tell_run(client: Client, run: RunSummary, tell: Callable[[Handle], Awaitable[None]]) -> None:
    """Call `tell` with a handle of the run's newest life, also if the one that `run` names has ended meanwhile.

    Raises:
        RunNotOpen: the run has ended.
    """
    run_id = run.run_id
    while True:
        try:
            return await tell(client.get_workflow_handle(run.workflow_id, run_id=run_id))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            newest = await _newest_life(client, run.workflow_id, run_id)
            if newest == run_id:
                raise RunNotOpen(f"run {run.workflow_id!r} has ended in the meantime") from error
            run_id = newest


async def all_lives(client: Client, run: RunSummary) -> Handle:
    """Return a handle of the run whose `cancel` reaches the life that is the newest at that moment."""
    this = await client.get_workflow_handle(run.workflow_id, run_id=run.run_id).describe()
    return client.get_workflow_handle(run.workflow_id, first_execution_run_id=_first_life(this))


async def _newest_life(client: Client, workflow_id: str, run_id: str) -> str:
    """Return the newest life of the run; another run with the same id is none."""
    this = await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    latest = await client.get_workflow_handle(workflow_id).describe()
    return latest.run_id if _first_life(latest) == _first_life(this) else run_id


def _first_life(life: WorkflowExecutionDescription) -> str:
    return life.raw_description.workflow_execution_info.first_run_id
