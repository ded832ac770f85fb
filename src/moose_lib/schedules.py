"""Texts for recurring times: cron, `@daily`, `@every 36h`, `5m`.

The grammar is the part of Temporal's that means the same everywhere; what Temporal would accept and mean something else
by (`1#2`, a sixth field, day-of-month with day-of-week) is refused or translated, never rounded.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import pairwise

from moose_lib.durations import parse_duration
from moose_lib.errors import InvalidDuration, InvalidSchedule

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_LONGEST_MONTH = {month: 30 if month in (4, 6, 9, 11) else 29 if month == 2 else 31 for month in range(1, 13)}
_ZONE = re.compile(r"(?:CRON_)?TZ=(?P<name>\S+)\s+(?P<times>.+)")
_ITEM = re.compile(r"(?P<start>\*|\w+)(?:-(?P<end>\w+))?(?:/(?P<step>\d+))?", re.ASCII)


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The value of one word or number, `None` if it is neither."""
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        return int(text) if text.isdigit() else None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of week", 0, 7, tuple(_DAYS)),
)


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """When a workflow runs: at any of `crons` (5 fields), or each `every`. One of the two is set.

    Two expressions stand for a day of month together with a day of week: either fires, as in Unix. Temporal would
    wait for both.
    """

    crons: tuple[str, ...] = ()
    every: timedelta | None = None


def check_schedule(value: object) -> ScheduleSpec:
    """Read a schedule.

    Raises:
        InvalidSchedule: not a schedule, one that never fires, or one that Temporal reads differently than it looks.

    Example:
        >>> check_schedule("@every 36h").every
        datetime.timedelta(days=1, seconds=43200)
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidSchedule(value, "not a text" if not isinstance(value, str) else "empty")
    text = value.strip()
    zone = _ZONE.fullmatch(text)
    if zone is not None:
        known = f"Schedule(cron={zone['times']!r}, timezone={zone['name']!r})"
        raise InvalidSchedule(value, f"the time zone has a place of its own: {known}")
    if text.startswith("@every"):
        return ScheduleSpec(every=check_interval(text.removeprefix("@every").strip(), value))
    if text.startswith("@"):
        if text not in _WORDS:
            raise InvalidSchedule(value, f"unknown word; known are {', '.join(_WORDS)} and @every")
        return ScheduleSpec(crons=(_WORDS[text],))
    if _looks_like_an_interval(text):
        if not any(character.isdigit() for character in text):
            raise InvalidSchedule(value, "neither cron nor an interval")
        return ScheduleSpec(every=check_interval(text, value))
    return ScheduleSpec(crons=_crons(value, text))


def check_interval(text: str, value: object) -> timedelta:
    """Read the length of an interval; `value` is what the user wrote.

    Raises:
        InvalidSchedule: not a length of time, or one that is not whole seconds.
    """
    if text in _WORDS:
        raise InvalidSchedule(value, f"it is a word for times of the day; write cron={text!r}")
    try:
        interval = parse_duration(text)
    except InvalidDuration as error:
        raise InvalidSchedule(value, error.message) from None
    if interval is None or interval < timedelta(seconds=1):
        raise InvalidSchedule(value, "an interval is one second or more")
    if interval % timedelta(seconds=1):
        raise InvalidSchedule(value, "an interval is whole seconds")
    return interval


def longest_gap(spec: ScheduleSpec) -> timedelta | None:
    """The longest time between two fires, by the clock; `None` where it is not the same each day."""
    if spec.every is not None:
        return spec.every
    minutes = set[int]()
    for minute, hour, *days in map(read_cron, spec.crons):
        if [len(it) for it in days] != [31, 12, 7]:
            return None
        minutes |= {60 * it + after for it in hour for after in minute}
    times = sorted(minutes)
    return timedelta(minutes=max(later - time for time, later in pairwise([*times, times[0] + 24 * 60])))


def read_cron(text: str) -> tuple[frozenset[int], ...]:
    """The minutes, hours, days, months and days of the week (0 is Sunday) of a checked cron text."""
    parts = text.split()
    *others, weekdays = [_numbers(text, field, part) for field, part in zip(_FIELDS, parts, strict=True)]
    return (*(frozenset(numbers) for numbers in others), frozenset(day % 7 for day in weekdays))


def matches_cron(text: str, wall: datetime) -> bool:
    """Whether a checked cron text means this minute on the clock."""
    minutes, hours, days, months, weekdays = read_cron(text)
    return (
        wall.minute in minutes
        and wall.hour in hours
        and wall.day in days
        and wall.month in months
        and wall.isoweekday() % 7 in weekdays
    )


def time_zone_fault(name: object) -> tuple[str, str | None] | None:
    """What is wrong with the name of a time zone, and a hint; `None` if there is such a zone.

    Example:
        >>> time_zone_fault("Europe/Berlim")
        ("timezone 'Europe/Berlim' is unknown", "did you mean: 'Europe/Berlin'")
    """
    known = zoneinfo.available_timezones() - {"localtime", "Factory"}
    if isinstance(name, str) and name in known:
        return None
    text = f"timezone {name!r} is unknown"
    if not isinstance(name, str):
        return text, 'write a name as "Europe/Berlin"'
    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)}
    zones = {zone.lower(): zone for zone in known}
    wanted = name.strip().lower().replace(" ", "_")
    if wanted in cities:
        return text, f"did you mean: {cities[wanted]!r}"
    close = get_close_matches(wanted, zones, n=1, cutoff=0.7)
    return text, f"did you mean: {zones[close[0]]!r}" if close else 'write a name as "Europe/Berlin"'


def _looks_like_an_interval(text: str) -> bool:
    """`5m` and `5 minutes`, but not `*/5` or `0 0 * *`."""
    words = text.split()
    return "*" not in text and (len(words) == 1 or (len(words) < len(_FIELDS) and words[-1][-1].isalpha()))


def _crons(value: str, text: str) -> tuple[str, ...]:
    parts = text.split()
    if len(parts) != len(_FIELDS):
        extra = "; seconds and years are not read" if len(parts) > len(_FIELDS) else ""
        raise InvalidSchedule(value, f"cron has 5 fields, this has {len(parts)}{extra}")
    numbers = [_numbers(value, field, part) for field, part in zip(_FIELDS, parts, strict=True)]
    _refuse_impossible(value, parts, days=numbers[2], months=numbers[3])
    minute, hour, day, month, weekday = parts
    if not day.startswith("*") and not weekday.startswith("*"):
        return f"{minute} {hour} {day} {month} *", f"{minute} {hour} * {month} {weekday}"
    return (" ".join(parts),)


def _numbers(value: str, field: _Field, text: str) -> set[int]:
    found = set[int]()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise InvalidSchedule(value, f"cannot read {item!r} as {field.name}")
        found |= _range(value, field, item, match)
    return found


def _range(value: str, field: _Field, item: str, match: re.Match[str]) -> set[int]:
    step = 1 if match["step"] is None else int(match["step"])
    if match["start"] == "*":
        low, high = (field.low, field.high) if match["end"] is None else (None, None)
    else:
        low = field.number(match["start"])
        open_end = field.high if match["step"] is not None else low
        high = open_end if match["end"] is None else field.number(match["end"])
    if low is None or high is None or step == 0:
        raise InvalidSchedule(value, f"cannot read {item!r} as {field.name}")
    if field.low <= high < low <= field.high:
        raise InvalidSchedule(value, _backwards(field, item, match))
    if not field.low <= low <= high <= field.high:
        raise InvalidSchedule(value, f"{item!r} is no {field.name} from {field.low} to {field.high}")
    if step > field.high - field.low + 1:
        raise InvalidSchedule(value, f"the step of {item!r} is longer than the {field.name}s there are")
    return set(range(low, high + 1, step))


def _backwards(field: _Field, item: str, match: re.Match[str]) -> str:
    """A range of a cron does not go on from the last value to the first one."""
    start, end = match["start"], match["end"]
    step = "" if match["step"] is None else f"/{match['step']}"
    top = 6 if field.name == "day of week" else field.high
    across = (
        ""
        if step or (field.number(start) or 0) > top
        else f", or {f'{start}-{top},{field.low}-{end}'!r} to go on past the last {field.name}"
    )
    return f"{item!r} as {field.name} is in the wrong order: write {f'{end}-{start}{step}'!r}{across}"


def _refuse_impossible(value: str, parts: list[str], *, days: set[int], months: set[int]) -> None:
    """`0 0 31 2 *` never fires; Temporal accepts it and keeps silent."""
    if parts[4].startswith("*") and not any(min(days) <= _LONGEST_MONTH[month] for month in months):
        raise InvalidSchedule(value, "it never fires: no such day in these months")
