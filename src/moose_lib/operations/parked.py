"""The parked tasks of a run, checked before anything is decided about them."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.client import Client

from moose_lib.errors import NotParked, TaskNotFound
from moose_lib.operations.following import run_status, run_statuses
from moose_lib.operations.records import RunStatus, RunSummary

__all__ = ["find_parked", "parked_runs"]


async def parked_runs(client: Client, runs: Iterable[RunSummary]) -> tuple[RunSummary, ...]:
    """Return those of the runs that have a parked task; their histories tell."""
    return tuple(run for run, status in await run_statuses(client, runs) if status.parked)


async def find_parked(client: Client, run: RunSummary, task: str | None) -> tuple[str, ...]:
    """Return the parked task that is meant: `task`, or, if that is None, all of them.

    Raises:
        TaskNotFound: the run has no task of this name.
        NotParked: the task is not parked, or none is.
    """
    status = await run_status(client, run.workflow_id, run.run_id)
    parked = tuple(it.name for it in status.parked)
    if task is None and parked:
        return parked
    if task in parked:
        assert task is not None, "names are not None"
        return (task,)
    raise _refusal(status, task, parked)


def _refusal(status: RunStatus, task: str | None, parked: tuple[str, ...]) -> Exception:
    run = status.workflow_id
    hint = f"parked: {', '.join(parked)}" if parked else f"moose-cli workflow status {run}"
    if task is None:
        return NotParked(f"no task of run {run!r} is parked", hint=hint)
    found = status.task(task)
    if found is None:
        names = ", ".join(it.name for it in status.tasks)
        return TaskNotFound(f"run {run!r} has no task {task!r}", hint=f"its tasks are {names}")
    return NotParked(f"task {task!r} of run {run!r} is not parked: it is {found.state.value}", hint=hint)
