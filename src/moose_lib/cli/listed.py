"""What Temporal knows about the workflows of a project, asked at once; a list is shown without it, too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from moose_lib.cli.next_fires import NextFire, ask_next_fires
from moose_lib.cli.session import Session
from moose_lib.cli.status_text import run_state_text
from moose_lib.errors import MooseError
from moose_lib.plan.model import Plan

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunStatus, RunSummary

__all__ = ["Known", "ask_about"]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The last run and the next fire of each workflow that has one; `fault` says why nothing is known.

    `open` has how the last run stands if the list of runs calls it open: that is behind, and knows nothing of parked
    tasks and pauses.
    """

    runs: Mapping[str, RunSummary]
    open: Mapping[str, RunStatus]
    fires: Mapping[str, NextFire]
    fault: str | None = None

    def standing(self, workflow: str) -> str:
        """How the last run of a workflow stands, in a word: `completed`, `parked`; `-` if there is none."""
        run, status = self.runs.get(workflow), self.open.get(workflow)
        if status is not None:
            return run_state_text(status)
        return "-" if run is None else run.state.words


def ask_about(session: Session, plans: Sequence[Plan]) -> Known:
    """Ask the server; nobody has to answer."""
    if not plans:
        return Known(runs={}, open={}, fires={})
    try:
        return session.run(lambda client: _ask(client, session, plans))
    except MooseError as error:
        return Known(runs={}, open={}, fires={}, fault=error.message)


async def _ask(client: Client, session: Session, plans: Sequence[Plan]) -> Known:
    from moose_lib.operations.following import run_statuses
    from moose_lib.operations.listing import last_runs
    from moose_lib.operations.records import RunState

    runs, fires = await asyncio.gather(
        last_runs(client, [plan.workflow for plan in plans], task_queue=session.task_queue),
        ask_next_fires(client, session, [plan for plan in plans if plan.schedule is not None]),
    )
    statuses = await run_statuses(client, [run for run in runs.values() if run.state is RunState.RUNNING])
    fresh = {run.name: replace(run, state=status.state, closed=status.closed) for run, status in statuses}
    return Known(runs=runs | fresh, open={run.name: status for run, status in statuses}, fires=fires)
