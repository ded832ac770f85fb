"""Schedules of a project beside those of the server: rows of a list, and one of them in full."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moose_lib.cli.schedule_keeping import owner_of
from moose_lib.cli.schedule_text import in_text, zone_text
from moose_lib.cli.texts import json_time
from moose_lib.operations.next_fires import state_of
from moose_lib.operations.schedule_documents import details_document
from moose_lib.operations.schedule_records import DeployedSchedule
from moose_lib.operations.schedules import list_schedules
from moose_lib.plan.schedule import PlannedSchedule

if TYPE_CHECKING:
    from moose_lib.cli.output import Output
    from moose_lib.cli.session import Session
    from moose_lib.operations.connecting import Client

__all__ = ["ScheduleRow", "described_lines", "row_cells", "row_document", "schedule_rows"]

_Document = dict[str, Any]  # Any: JSON


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
        if self.there is None or self.there.is_paused or not self.there.next_times:
            return None
        return self.there.next_times[0]


async def schedule_rows(client: Client, session: Session) -> list[ScheduleRow]:
    """Return this project's schedules by workflow; without a project, those of all."""
    loaded = session.load()
    there = {it.workflow: it for it in await list_schedules(client)}
    if loaded is None:
        return [_row(name, None, found, has_project=False) for name, found in there.items()]
    owner = owner_of(loaded.project)
    declared = {plan.workflow: plan.schedule for plan in loaded.plans.values() if plan.schedule is not None}
    ours = {name for name, found in there.items() if found.owner == owner}
    return [_row(name, declared.get(name), there.get(name), has_project=True) for name in sorted({*declared, *ours})]


def _row(
    name: str, declared: PlannedSchedule | None, there: DeployedSchedule | None, *, has_project: bool
) -> ScheduleRow:
    state = state_of(declared, there, has_project=has_project)
    return ScheduleRow(workflow=name, declared=declared, there=there, state=state)


def row_cells(row: ScheduleRow) -> tuple[str, ...]:
    """Return the cells of a row."""
    zone = "UTC" if row.schedule is None else row.schedule.timezone
    last = row.there.recent[-1] if row.there is not None and row.there.recent else None
    return (
        row.workflow,
        "-" if row.schedule is None else str(row.schedule),
        row.state,
        "-" if row.next_time is None else zone_text(row.next_time, zone),
        "-" if last is None else zone_text(last.scheduled, zone),
    )


def row_document(row: ScheduleRow) -> _Document:
    """Return a row as JSON."""
    there = row.there
    last = there.recent[-1] if there is not None and there.recent else None
    return {
        "name": row.workflow,
        "schedule": None if row.schedule is None else row.schedule.text,
        "schedule_details": details_document(row.schedule),
        "state": row.state,
        "is_paused": there is not None and there.is_paused,
        "note": "" if there is None else there.note,
        "next_time": json_time(row.next_time),
        "last_time": None if last is None else json_time(last.scheduled),
        "last_workflow_id": None if last is None else last.workflow_id,
        "task_queue": None if there is None else there.task_queue,
    }


def described_lines(found: DeployedSchedule, output: Output, now: datetime) -> list[str]:
    """Return a deployed schedule as lines."""
    zone = "UTC" if found.declared is None else found.declared.timezone
    state = f"paused: {found.note}" if found.is_paused and found.note else "paused" if found.is_paused else "active"
    facts = {
        "Schedule": "not made by moose-cli" if found.declared is None else str(found.declared),
        "State": state,
        "Project": "-" if found.owner is None else found.owner.project,
        "Task queue": found.task_queue,
        "Input": (None if found.declared is None else found.declared.input) or "none",
        "Counts": f"{found.started} started, {found.skipped} skipped (overlap), {found.missed} missed (server down)",
        "Open runs": ", ".join(found.open_runs) or "none",
    }
    lines = [output.paint(found.workflow, "strong")]
    lines += [f"  {output.paint(f'{name:<11}', 'dim')} {value}" for name, value in facts.items()]
    if found.next_times and not found.is_paused:
        lines += ["", "Next"]
        lines += [f"  {zone_text(time, zone)}  {in_text(time, now)}" for time in found.next_times[:3]]
    if found.recent:
        lines += ["", "Last"]
        lines += [f"  {zone_text(it.scheduled, zone)}  {it.workflow_id}" for it in reversed(found.recent[-5:])]
    return lines
