"""Schedules and their times as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from moose_lib.cli.texts import duration_text, json_time
from moose_lib.operations.schedule_documents import details_document
from moose_lib.operations.schedule_records import Change, ChangeKind, ScheduledAction

if TYPE_CHECKING:
    from moose_lib.operations.clock_changes import ClockChange, Effect

__all__ = [
    "change_document",
    "change_line",
    "change_notes",
    "clock_text_of",
    "held_back_text",
    "in_text",
    "next_text",
    "offset_text",
    "started_text",
    "take_over_hints",
    "zone_text",
]

_SHOWN_WALLS = 4
#: A time that has passed is due for so long: the server and the worker need a moment.
_NOW = timedelta(minutes=1)


def zone_text(time: datetime, zone: str = "UTC") -> str:
    """`2027-03-29 02:30:00 +02:00`: a time in a zone, with its offset."""
    local = time.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S} {offset_text(local.utcoffset())}"


def offset_text(offset: timedelta | None) -> str:
    """`+02:00`."""
    minutes = (offset or timedelta()) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def in_text(time: datetime, now: datetime) -> str:
    """`in 3h 2m 1s`, `in 12 days`, `now`, or, of a time that has passed, `12 days ago`."""
    left = time - now
    span = abs(left)
    if -_NOW <= left <= timedelta():
        return "now"
    said = f"{span.days} days" if span >= timedelta(days=2) else duration_text(span)
    return f"in {said}" if left > timedelta() else f"{said} ago"


def next_text(time: datetime | None, zone: str, *, is_paused: bool) -> str:
    """`next 2027-03-29 02:30:00 +02:00`, or why there is none."""
    if is_paused:
        return "paused"
    return "never fires again" if time is None else f"next {zone_text(time, zone)}"


def held_back_text(workflow: str, open_runs: Sequence[str]) -> str:
    """Say why a schedule that was to fire has started nothing."""
    runs = ", ".join(open_runs) or "an earlier run"
    return f"no run of {workflow!r} has started: {runs} is open, and the schedule's overlap makes it wait or skip"


def started_text(workflow: str, action: ScheduledAction) -> str:
    """Say what a trigger has started, or who else did."""
    if action.is_shared:
        return (
            f"'{workflow}' was started in the same second by another trigger, or its own time: one run for all of them."
        )
    return f"'{workflow}' started by its schedule."


def change_line(change: Change) -> str:
    """`Nightly added, next 2027-03-29 02:30:00 +02:00`."""
    if change.schedule is None or change.kind in (ChangeKind.REMOVED, ChangeKind.LEFT):
        return str(change)
    return f"{change}, {next_text(change.next_time, change.schedule.timezone, is_paused=change.is_paused)}"


def change_notes(changes: Iterable[Change]) -> list[str]:
    """What should be looked after: schedules that could not be brought, or are left over."""
    notes = list[str]()
    for change in changes:
        if change.kind is ChangeKind.FOREIGN:
            notes.append(f"the schedule of {change.workflow} is not deployed: {'; '.join(change.reasons)}")
        if change.kind is ChangeKind.LEFT:
            notes.append(
                f"the schedule of {change.workflow} is no longer declared but still fires; moose-cli deploy removes it"
            )
    return notes


def take_over_hints(changes: Iterable[Change]) -> list[str]:
    """How a project that was renamed gets its schedules back."""
    owners = dict.fromkeys(it.owner.project for it in changes if it.kind is ChangeKind.FOREIGN and it.owner is not None)
    return [
        f"if this project was called {name!r} before: moose-cli deploy --take-over {shlex.quote(name)} --dry-run"
        for name in owners
    ]


def change_document(change: Change) -> dict[str, Any]:  # Any: JSON
    """Return a change as JSON."""
    return {
        "name": change.workflow,
        "change": change.kind.value,
        "reasons": list(change.reasons),
        "schedule": None if change.schedule is None else change.schedule.text,
        "schedule_details": details_document(change.schedule),
        "is_paused": change.is_paused,
        "next_time": json_time(change.next_time),
    }


def clock_text_of(change: ClockChange, effect: Effect, zone: str) -> str:
    """`2027-03-28: clocks go forward from 02:00 to 03:00 (+01:00 to +02:00); 02:30 does not exist and is skipped`."""
    local = change.moment.astimezone(UTC).replace(tzinfo=None)
    before, after = local + change.before, local + change.after
    way = "forward" if change.is_forward else "back"
    offsets = f"{offset_text(change.before)} to {offset_text(change.after)}"
    said = [f"{before:%Y-%m-%d}: clocks in {zone} go {way} from {before:%H:%M} to {after:%H:%M} ({offsets})"]
    said += _said(effect.skipped, "does not exist and is skipped", "do not exist and are skipped")
    said += _said(effect.twice, "comes twice and runs twice", "come twice and run twice")
    said += _said(effect.once, "comes twice and runs once", "come twice and run once")
    said += _said(effect.left_out, "is left out by Temporal", "are left out by Temporal")
    return "; ".join(said)


def _said(walls: tuple[str, ...], one: str, many: str) -> list[str]:
    if not walls:
        return []
    shown = ", ".join(walls[:_SHOWN_WALLS])
    rest = len(walls) - _SHOWN_WALLS
    return [f"{shown}{f' and {rest} more' if rest > 0 else ''} {one if len(walls) == 1 else many}"]
