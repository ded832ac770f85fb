"""Schedules of a project beside those of the server: one document for the command line and for HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.client import Client

from moose_lib.operations.documents import json_time
from moose_lib.operations.schedule_documents import details_document
from moose_lib.operations.schedule_records import DeployedSchedule, Owner, ScheduledAction, schedule_id
from moose_lib.operations.schedules import find_schedule, list_schedules, schedule_ids
from moose_lib.plan.model import Plan
from moose_lib.plan.schedule import PlannedSchedule

__all__ = [
    "ScheduleRow",
    "all_schedule_rows",
    "count_others",
    "other_rows",
    "row_document",
    "schedule_row",
    "schedule_rows",
    "state_of",
]


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """One workflow's schedule, as declared and as deployed; one of them may be missing."""

    workflow: str
    declared: PlannedSchedule | None
    there: DeployedSchedule | None
    state: str

    @property
    def schedule(self) -> PlannedSchedule | None:
        """The declared one, or else the one that was declared when it was deployed."""
        return self.declared or (None if self.there is None else self.there.declared)

    @property
    def next_time(self) -> datetime | None:
        """When it fires next; None if it does not."""
        if self.there is None or self.state == "foreign" or self.there.is_paused or not self.there.next_times:
            return None
        return self.there.next_times[0]

    @property
    def last(self) -> ScheduledAction | None:
        """What it started last."""
        return (
            self.there.recent[-1] if self.there is not None and self.state != "foreign" and self.there.recent else None
        )


async def schedule_rows(client: Client, plans: Mapping[str, Plan], owner: Owner) -> list[ScheduleRow]:
    """Return a project's schedules by workflow: those that its plans have, and those that it has deployed."""
    there = {it.workflow: it for it in await list_schedules(client)}
    declared = {plan.workflow: plan.schedule for plan in plans.values() if plan.schedule is not None}
    for name in declared.keys() - there.keys():  # the list may be behind, and has none that others have made
        found = await find_schedule(client, name)
        there |= {} if found is None else {name: found}
    ours = {name for name, found in there.items() if found.owner == owner}
    names = sorted({*declared, *ours})
    return [schedule_row(name, declared.get(name), there.get(name), project=owner.project) for name in names]


async def all_schedule_rows(client: Client) -> list[ScheduleRow]:
    """Return what all projects have deployed in this namespace."""
    return [schedule_row(it.workflow, None, it, project=None) for it in await list_schedules(client)]


async def other_rows(client: Client, rows: Sequence[ScheduleRow]) -> list[ScheduleRow]:
    """Return what is in the namespace beside `rows`: of other projects, or made without moose-cli, named by its id."""
    shown = {schedule_id(row.workflow) for row in rows}
    ids = [identity for identity in await schedule_ids(client) if identity not in shown]
    return [await _other_row(client, identity) for identity in ids]


async def count_others(client: Client, rows: Sequence[ScheduleRow]) -> int:
    """Return how many there are."""
    return len(set(await schedule_ids(client)) - {schedule_id(row.workflow) for row in rows})


async def _other_row(client: Client, identity: str) -> ScheduleRow:
    workflow = identity.removeprefix(schedule_id(""))
    found = None if workflow == identity else await find_schedule(client, workflow)
    is_ours = found is not None and found.declared is not None
    return ScheduleRow(workflow=workflow if is_ours else identity, declared=None, there=found, state="foreign")


def schedule_row(
    name: str, declared: PlannedSchedule | None, there: DeployedSchedule | None, *, project: str | None
) -> ScheduleRow:
    """Return the row of a workflow's schedule, as `project` sees it; None: nobody in particular."""
    state = state_of(declared, there, project=project)
    return ScheduleRow(workflow=name, declared=declared, there=there, state=state)


def state_of(declared: PlannedSchedule | None, there: DeployedSchedule | None, *, project: str | None) -> str:
    """`active`, `paused`, `not deployed`, `differs` (from the declaration), `not declared`, or `foreign`.

    `foreign` is what was not made by moose-cli, or belongs to another project than `project`.
    """
    if there is None:
        return "not deployed"
    if there.declared is None or there.owner is None or project not in (None, there.owner.project):
        return "foreign"
    if project is not None and declared is None:
        return "not declared"
    if there.drifted or (project is not None and declared != there.declared):
        return "differs"
    return "paused" if there.is_paused else "active"


def row_document(row: ScheduleRow) -> dict[str, Any]:  # Any: JSON
    """Return a row as JSON."""
    there, last = row.there, row.last
    return {
        "name": row.workflow,
        "schedule": None if row.schedule is None else row.schedule.text,
        "schedule_details": details_document(row.schedule),
        "state": row.state,
        "is_paused": there is not None and there.is_paused,
        "note": "" if there is None else there.note,
        "next_time": json_time(row.next_time),
        "last_time": None if last is None else json_time(last.slot),
        "last_workflow_id": None if last is None else last.workflow_id,
        "task_queue": None if there is None else there.task_queue,
    }
