"""The next times of a schedule, and what changes of the clocks do to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from moose_lib.cli.moments import read_moment
from moose_lib.cli.schedule_text import clock_text_of, in_text, zone_text
from moose_lib.cli.texts import json_time
from moose_lib.durations import format_duration
from moose_lib.errors import ScheduleNotFound
from moose_lib.operations.clock_changes import ClockChange, Effect, clock_changes, effect_of, span_of
from moose_lib.operations.schedule_protos import spec_message
from moose_lib.operations.schedule_records import schedule_id
from moose_lib.operations.schedules import find_schedule
from moose_lib.operations.slots import lead_of, next_times, times_between, trial_schedule, without_jitter
from moose_lib.schedules import time_zone_fault

if TYPE_CHECKING:
    from moose_lib.cli.output import Output
    from moose_lib.operations.connecting import Client
    from moose_lib.plan.schedule import PlannedSchedule

__all__ = ["Upcoming", "ask_upcoming", "upcoming_document", "upcoming_lines", "zone_given"]


@dataclass(frozen=True, kw_only=True)
class Upcoming:
    """The next times after `asked`; `changes` are those of the clocks of `zone` between them."""

    workflow: str
    schedule: PlannedSchedule | None
    zone: str
    asked: datetime
    times: tuple[datetime, ...]
    changes: tuple[tuple[ClockChange, Effect], ...]
    is_deployed: bool
    is_paused: bool
    differs: bool

    def changes_in(self, zone: str) -> list[tuple[ClockChange, Effect, str]]:
        """Return what the clocks of the schedule's zone do, and those of the zone in which its times are shown."""
        found = [(change, effect, self.zone) for change, effect in self.changes]
        if zone != self.zone and self.times:
            shown = clock_changes(ZoneInfo(zone), self.asked, self.times[-1])
            found += [(change, Effect(), zone) for change in shown]
        return sorted(found, key=lambda it: it[0].moment)


def zone_given(name: str | None) -> str | None:
    """Return the zone of `--timezone`.

    Raises:
        BadParameter: there is no such zone.
    """
    fault = None if name is None else time_zone_fault(name)
    if fault is not None:
        raise click.BadParameter(f"{fault[0]}; {fault[1]}", param_hint="--timezone")
    return name


async def ask_upcoming(
    client: Client, name: str, declared: PlannedSchedule | None, count: int, after: str | None
) -> Upcoming:
    """Ask the server, for the deployed schedule or else for the declared one.

    Raises:
        ScheduleNotFound: there is neither.
    """
    there = await find_schedule(client, name)
    schedule = declared if there is None else there.declared
    if there is None and schedule is None:
        raise ScheduleNotFound(
            f"workflow {name!r} has no schedule, here or on the server", hint="moose-cli schedule list"
        )
    zone = "UTC" if schedule is None else schedule.timezone
    asked = datetime.now(UTC) if after is None else read_moment(after, zone, is_end=False)
    if there is not None:
        times, changes = await _ask(client, schedule_id(name), schedule, asked, count)
    else:
        assert schedule is not None, "one of them is there"
        async with trial_schedule(client, spec_message(schedule)) as trial:
            times, changes = await _ask(client, trial, schedule, asked, count)
    return Upcoming(
        workflow=name,
        schedule=schedule,
        zone=zone,
        asked=asked,
        times=times,
        changes=changes,
        is_deployed=there is not None,
        is_paused=there is not None and there.is_paused,
        differs=there is not None and declared is not None and declared != there.declared,
    )


_Changes = tuple[tuple[ClockChange, Effect], ...]


async def _ask(
    client: Client, identity: str, schedule: PlannedSchedule | None, asked: datetime, count: int
) -> tuple[tuple[datetime, ...], _Changes]:
    zone, crons = ("UTC", ()) if schedule is None else (schedule.timezone, schedule.crons)
    lead = timedelta() if schedule is None else lead_of(spec_message(schedule))
    times = await next_times(client, identity, count, after=asked, lead=lead)
    changes = list[tuple[ClockChange, Effect]]()
    for change in clock_changes(ZoneInfo(zone), asked, times[-1] if times else asked):
        around = await _declared(client, identity, schedule, change) if crons else []
        changes.append((change, effect_of(change, crons, around)))
    return times, tuple(changes)


async def _declared(
    client: Client, identity: str, schedule: PlannedSchedule | None, change: ClockChange
) -> list[datetime]:
    """The times around a change of the clocks, without the jitter that is added to them."""
    first, last = span_of(change)
    if schedule is None or schedule.jitter is None:
        return await times_between(client, identity, first, last)
    async with trial_schedule(client, without_jitter(spec_message(schedule))) as trial:
        return await times_between(client, trial, first, last)


def upcoming_lines(found: Upcoming, zone: str, output: Output) -> list[str]:
    """Return a line for each time, with those of changed clocks between them."""
    width = max((len(zone_text(time, zone)) for time in found.times), default=0)
    header = f"{zone.upper() if zone == 'UTC' else zone}".ljust(width)
    lines = [output.paint(f"{header}  UTC                   IN", "dim")] if found.times else []
    told = found.changes_in(zone)
    for time in found.times:
        while told and told[0][0].moment <= time:
            lines.append(output.paint(f"  {clock_text_of(*told.pop(0))}", "warn"))
        lines.append(f"{zone_text(time, zone)}  {time:%Y-%m-%d %H:%M:%S}Z  {in_text(time, datetime.now(UTC))}")
    if found.schedule is not None and found.schedule.jitter is not None and found.times:
        lines.append(f"jitter of up to {format_duration(found.schedule.jitter)} is part of these times")
    return lines


def upcoming_document(found: Upcoming, zone: str) -> dict[str, Any]:  # Any: JSON
    """Return the times as JSON."""
    return {
        "name": found.workflow,
        "schedule": None if found.schedule is None else found.schedule.text,
        "timezone": zone,
        "is_deployed": found.is_deployed,
        "is_paused": found.is_paused,
        "differs": found.differs,
        "times": [
            {"time": time.astimezone(ZoneInfo(zone)).isoformat(), "utc": json_time(time)} for time in found.times
        ],
        "clock_changes": [
            {
                "utc": json_time(change.moment),
                "timezone": of,
                "offset_before": change.before.total_seconds(),
                "offset_after": change.after.total_seconds(),
                "skipped": list(effect.skipped),
                "twice": list(effect.twice),
                "once": list(effect.once),
                "left_out": list(effect.left_out),
            }
            for change, effect, of in found.changes_in(zone)
        ],
    }
