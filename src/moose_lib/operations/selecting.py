"""Which runs a verb is about: the one that a reference names, or all that fit a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from moose_lib.operations.listing import list_runs
from moose_lib.operations.records import RunState, RunSummary

__all__ = ["RunFilter", "SelectedRuns", "select_runs"]


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Runs of a workflow (`None`: of all) in one of `states` (none: in any), no older than `since`.

    The age of an open run counts from its start, that of one that has ended from its end.
    """

    workflow: str | None = None
    states: tuple[RunState, ...] = ()
    since: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class SelectedRuns:
    """Runs to do something to.

    `superseded` is how many more would fit, but have a newer run with the same workflow id: they were resumed, or that
    id was used again.
    """

    runs: Sequence[RunSummary]
    superseded: int = 0


async def select_runs(client: Client, wanted: RunFilter, *, task_queue: str) -> SelectedRuns:
    """Return the runs that fit, the newest first, and of each workflow id only the newest."""
    after = None if wanted.since is None else datetime.now(UTC) - wanted.since
    runs = await list_runs(client, task_queue=task_queue, name=wanted.workflow, changed_after=after)
    newest = dict[str, RunSummary]()
    for run in runs:
        newest.setdefault(run.workflow_id, run)
    fitting = [run for run in runs if not wanted.states or run.state in wanted.states]
    selected = [run for run in fitting if newest[run.workflow_id] is run]
    return SelectedRuns(runs=selected, superseded=len(fitting) - len(selected))
