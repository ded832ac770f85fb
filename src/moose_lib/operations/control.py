"""Stopping runs: cancel asks the running code to end, terminate ends the run at once."""

from __future__ import annotations

from temporalio.client import Client

from moose_lib.errors import AmbiguousRun, RunNotOpen
from moose_lib.operations.listing import find_open_runs, find_run
from moose_lib.operations.lives import Handle, all_lives, tell_run
from moose_lib.operations.records import RunSummary

__all__ = ["cancel_run", "select_open_runs", "terminate_run"]


async def select_open_runs(
    client: Client, reference: str, *, run_id: str | None = None, every: bool = False
) -> tuple[RunSummary, ...]:
    """Return the open run that `reference` names, `run_id` if several could be meant; with `every`, all of them.

    Raises:
        RunNotFound: no run has this name or id.
        RunNotOpen: the latest one has ended.
        AmbiguousRun: several are open and `every` was not asked for.
    """
    wanted = run_id or reference
    runs = await find_open_runs(client, wanted)
    if not runs:
        latest = await find_run(client, wanted, name=reference)
        if latest.closed is not None:
            what = "workflow" if wanted == latest.name else "run"
            raise RunNotOpen(f"{what} {wanted!r} has already {_ending(latest)}")
        runs = (latest,)
    if len(runs) > 1 and not every:
        raise AmbiguousRun(reference, [run.workflow_id for run in runs])
    return runs


def _ending(run: RunSummary) -> str:
    return {"canceled": "been canceled", "terminated": "been terminated"}.get(run.state.value, run.state.words)


async def cancel_run(client: Client, run: RunSummary) -> None:
    """Ask the run to stop; its running tasks are canceled and their `on_cancel` runs. One that has ended stays so."""
    await (await all_lives(client, run)).cancel()


async def terminate_run(client: Client, run: RunSummary, reason: str) -> None:
    """End the run at once; its tasks are not told, `on_cancel` does not run.

    Raises:
        RunNotOpen: it ended in the meantime.
    """

    async def tell(life: Handle) -> None:
        await life.terminate(reason=reason)

    await tell_run(client, run, tell)
