"""Schedules as text: rows of a list, and one of them in full."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from moose_lib.cli.schedule_text import in_text, zone_text
from moose_lib.operations.schedule_records import DeployedSchedule
from moose_lib.operations.schedule_rows import ScheduleRow

if TYPE_CHECKING:
    from moose_lib.cli.output import Output

__all__ = ["described_lines", "hidden_text", "row_cells"]


def row_cells(row: ScheduleRow) -> tuple[str, ...]:
    """Return the cells of a row."""
    zone = "UTC" if row.schedule is None else row.schedule.timezone
    return (
        row.workflow,
        "-" if row.schedule is None else str(row.schedule),
        row.state,
        "-" if row.next_time is None else zone_text(row.next_time, zone),
        "-" if row.last is None else zone_text(row.last.slot, zone),
    )


def hidden_text(count: int) -> str:
    """Say that others have schedules, too, and how they are seen."""
    what = "1 schedule of others is" if count == 1 else f"{count} schedules of others are"
    return f"{what} not shown: moose-cli schedule list --all"


def _missed(count: int) -> str:
    """The server counts some of them several times."""
    return "some" if count else "0"


def described_lines(found: DeployedSchedule, output: Output, now: datetime) -> list[str]:
    """Return a deployed schedule as lines."""
    zone = "UTC" if found.declared is None else found.declared.timezone
    state = f"paused: {found.note}" if found.is_paused and found.note else "paused" if found.is_paused else "active"
    if found.drifted:
        state += f"; {', '.join(found.drifted)} changed by hand, which moose-cli deploy sets back"
    counts = f"{found.started} started, {found.skipped} skipped (overlap), {_missed(found.missed)} missed (server down)"
    facts = {
        "Schedule": "not made by moose-cli" if found.declared is None else str(found.declared),
        "State": state,
        "Project": "-" if found.owner is None else found.owner.project,
        "Task queue": found.task_queue,
        "Input": (None if found.declared is None else found.declared.input) or "none",
        "Counts": counts,
        "Open runs": ", ".join(found.open_runs) or "none",
    }
    lines = [output.paint(found.workflow, "strong")]
    lines += [f"  {output.paint(f'{name:<11}', 'dim')} {value}" for name, value in facts.items()]
    if found.next_times and not found.is_paused:
        lines += ["", "Next"]
        lines += [f"  {zone_text(time, zone)}  {in_text(time, now)}" for time in found.next_times[:3]]
    if found.recent:
        lines += ["", "Last"]
        lines += [f"  {zone_text(it.slot, zone)}  {it.workflow_id}" for it in reversed(found.recent[-5:])]
    return lines
