"""Finding runs: by workflow name, workflow id or run id, and lists of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.engine.slot import scheduled_time
from moose_lib.errors import RunNotFound
from moose_lib.operations.records import RunState, RunSummary

__all__ = ["find_by_id", "find_open_runs", "find_run", "list_names", "list_runs", "quoted"]

#: A new run appears in Temporal's lists a moment after its start; how long to look again before saying "not found".
_LOOK_AGAIN = (0.1, 0.3, 0.6)
_PAGE = 200
_RECENT = 1000
#: Some servers list open runs first, however old: the newest is among the first ones, not always the first.
_LOOKED_AT = 20
_AT_A_TIME = 16

_STATES = {
    WorkflowExecutionStatus.RUNNING: RunState.RUNNING,
    WorkflowExecutionStatus.COMPLETED: RunState.COMPLETED,
    WorkflowExecutionStatus.FAILED: RunState.FAILED,
    WorkflowExecutionStatus.CANCELED: RunState.CANCELED,
    WorkflowExecutionStatus.TERMINATED: RunState.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT: RunState.TIMED_OUT,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: RunState.CONTINUED_AS_NEW,
}
_QUERY_STATES = {
    RunState.RUNNING: "Running",
    RunState.COMPLETED: "Completed",
    RunState.FAILED: "Failed",
    RunState.CANCELED: "Canceled",
    RunState.TERMINATED: "Terminated",
    RunState.TIMED_OUT: "TimedOut",
    RunState.CONTINUED_AS_NEW: "ContinuedAsNew",
}

#: No name and no id has it, and a database behind Temporal may fail on it as if it were away.
_NO_NAME = "\0"


def quoted(value: str) -> str:
    """Write a text as a literal of Temporal's query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


async def list_runs(
    client: Client,
    *,
    task_queue: str,
    name: str | None = None,
    states: Iterable[RunState] = (),
    changed_after: datetime | None = None,
    limit: int | None = None,
) -> tuple[RunSummary, ...]:
    """Return runs of this task queue, the newest first; `changed_after`: those that started or ended later."""
    if name is not None and _NO_NAME in name:
        return ()
    conditions = [f"TaskQueue = {quoted(task_queue)}"]
    if name is not None:
        conditions.append(f"WorkflowType = {quoted(name)}")
    if changed_after is not None:
        time = quoted(changed_after.isoformat())
        conditions.append(f"(StartTime >= {time} OR CloseTime >= {time})")
    wanted = ", ".join(quoted(_QUERY_STATES[state]) for state in states)
    if wanted:
        conditions.append(f"ExecutionStatus IN ({wanted})")
    return await _query(client, " AND ".join(conditions), limit)


async def list_names(client: Client, *, task_queue: str) -> tuple[str, ...]:
    """Return the names of the workflows that have run lately, where their code is not at hand."""
    recent = await list_runs(client, task_queue=task_queue, limit=_RECENT)
    return tuple(sorted({run.name for run in recent}))


async def last_runs(client: Client, names: Iterable[str], *, task_queue: str) -> dict[str, RunSummary]:
    """Return the newest run of each workflow that has one: a query for each, several at a time."""
    places = asyncio.Semaphore(_AT_A_TIME)

    async def last(name: str) -> tuple[RunSummary, ...]:
        async with places:
            return await list_runs(client, task_queue=task_queue, name=name, limit=_LOOKED_AT)

    found = await asyncio.gather(*map(last, names))
    return {runs[0].name: runs[0] for runs in found if runs}


async def find_run(client: Client, reference: str, *, name: str | None = None) -> RunSummary:
    """Return the latest run that `reference` names: a workflow's name, a workflow id or a run id.

    `name` narrows to runs of that workflow.

    Raises:
        RunNotFound: there is none.
    """
    for pause in (*_LOOK_AGAIN, None):
        runs = await _named(client, reference)
        found = [run for run in runs if name is None or name in {run.name, run.workflow_id}]
        if found:
            return max(found, key=lambda run: run.started)
        if pause is not None:
            await asyncio.sleep(pause)
    of = "" if name is None or name == reference else f" of workflow {name!r}"
    raise RunNotFound(f"no run{of} named {reference!r}", hint="moose-cli workflow history")


async def find_open_runs(client: Client, reference: str) -> tuple[RunSummary, ...]:
    """Return the open runs that `reference` names, the newest first."""
    runs = await _named(client, reference, "ExecutionStatus = 'Running'")
    return tuple(run for run in runs if run.state is RunState.RUNNING)


async def _named(client: Client, reference: str, condition: str | None = None) -> tuple[RunSummary, ...]:
    if _NO_NAME in reference:
        return ()
    by_id, listed = await asyncio.gather(find_by_id(client, reference), _listed(client, reference, condition))
    runs = {run.run_id: run for run in listed}
    if by_id is not None:
        runs[by_id.run_id] = by_id  # fresher than the list
    return tuple(sorted(runs.values(), key=lambda run: run.started, reverse=True))


async def _listed(client: Client, reference: str, condition: str | None) -> tuple[RunSummary, ...]:
    value = quoted(reference)
    query = f"(WorkflowType = {value} OR WorkflowId = {value} OR RunId = {value})"
    return await _query(client, query if condition is None else f"{query} AND {condition}", _PAGE)


async def find_by_id(client: Client, workflow_id: str) -> RunSummary | None:
    """Return the latest run with this workflow id: the one look-up that is never behind."""
    try:
        return _summary(await client.get_workflow_handle(workflow_id).describe())
    except RPCError as error:
        if error.status in {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}:
            return None
        raise


async def _query(client: Client, query: str, limit: int | None) -> tuple[RunSummary, ...]:
    found = [
        _summary(execution)
        async for execution in client.list_workflows(query, limit=limit, page_size=min(limit or _RECENT, _RECENT))
    ]
    return tuple(sorted(found, key=lambda run: run.started, reverse=True))


def _summary(execution: WorkflowExecution) -> RunSummary:
    status = execution.status
    return RunSummary(
        name=execution.workflow_type,
        workflow_id=execution.id,
        run_id=execution.run_id,
        state=RunState.RUNNING if status is None else _STATES.get(status, RunState.RUNNING),
        started=execution.start_time.astimezone(UTC),
        closed=None if execution.close_time is None else execution.close_time.astimezone(UTC),
        task_queue=execution.task_queue,
        scheduled_time=scheduled_time(execution.workflow_type, execution.id, execution.typed_search_attributes),
    )
