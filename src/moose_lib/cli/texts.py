"""How times and spans of time are written for people; the spans as the existing Moose writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from moose_lib.operations.documents import json_time, seconds

__all__ = [
    "clock_text",
    "duration_text",
    "instant_text",
    "json_time",
    "local_text",
    "seconds",
]


def duration_text(duration: timedelta | None) -> str:
    """`123ms`, `7s`, `1m 4s`, `1h 2m 3s`, `-` for none."""
    if duration is None:
        return "-"
    if duration < timedelta(seconds=1):
        return f"{max(duration // timedelta(milliseconds=1), 0)}ms"
    minutes, rest = divmod(duration // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if hours or minutes else []
    return " ".join([*parts, f"{rest}s"])


def clock_text(time: datetime) -> str:
    """The local time of day."""
    return f"{time.astimezone():%H:%M:%S}"


def local_text(time: datetime) -> str:
    """The local date and time."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def instant_text(seconds_since_1970: float) -> str:
    """The local date and time, to the millisecond."""
    time = datetime.fromtimestamp(seconds_since_1970, UTC).astimezone()
    return f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"
