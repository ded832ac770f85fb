"""The workflows of a project with what Temporal knows of them: one document for the command line and for HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.client import Client

from moose_lib.dmv2.workflow import Workflow
from moose_lib.operations.documents import json_time, standing_document
from moose_lib.operations.following import open_statuses
from moose_lib.operations.listing import last_runs
from moose_lib.operations.next_fires import NextFire, ask_next_fires
from moose_lib.operations.records import RunStatus, RunSummary
from moose_lib.operations.schedule_documents import details_document
from moose_lib.plan.model import Plan

__all__ = ["Known", "ask_about", "workflow_document"]

_Document = dict[str, Any]  # Any: JSON


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

    @classmethod
    def nothing(cls, fault: str | None = None) -> Known:
        """Nobody was asked, or nobody answered."""
        return cls(runs={}, open={}, fires={}, fault=fault)


async def ask_about(client: Client, plans: Sequence[Plan], *, task_queue: str, project: str | None) -> Known:
    """Ask the server about all of them at once."""
    runs, fires = await asyncio.gather(
        last_runs(client, [plan.workflow for plan in plans], task_queue=task_queue),
        ask_next_fires(client, [plan for plan in plans if plan.schedule is not None], project=project),
    )
    statuses = await open_statuses(client, runs.values())
    fresh = {run.name: run.as_of(status) for run, status in statuses}
    return Known(runs=runs | fresh, open={run.name: status for run, status in statuses}, fires=fires)


def workflow_document(workflow: Workflow, plan: Plan, known: Known, now: datetime) -> _Document:
    """Return a declared workflow as JSON."""
    run, fire = known.runs.get(plan.workflow), known.fires.get(plan.workflow)
    return {
        "name": plan.workflow,
        "schedule": None if plan.schedule is None else plan.schedule.text,
        "schedule_details": details_document(plan.schedule),
        "schedule_state": None if fire is None else fire.state,
        "next_time": None if fire is None else json_time(fire.time),
        "last_run": None if run is None else standing_document(run, known.open.get(plan.workflow), now),
        "tasks": [task.name for task in plan.tasks],
        "input": plan.task(plan.start).input_type,
        "timeout_seconds": None if plan.timeout is None else plan.timeout.total_seconds(),
        "retries": plan.retries,
        "file": workflow.location.file,
        "line": workflow.location.line,
        "plan_hash": plan.hash,
    }
