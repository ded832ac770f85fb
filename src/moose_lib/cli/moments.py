"""Times on the command line: a date, or a date and time, in a zone unless they say which."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import click

__all__ = ["read_moment"]

_DATE_LENGTH = len("2027-01-31")
_INSTANT = timedelta(milliseconds=1)


def read_moment(text: str, zone: str, *, is_end: bool) -> datetime:
    """Read `2027-01-31`, `2027-01-31T06:30`, `2027-01-31 06:30:00+02:00` or `…Z`.

    A date is its first moment, or with `is_end` its last one. Without an offset it is in `zone`.

    Raises:
        BadParameter: it is none of these.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a date or time; write 2027-01-31 or 2027-01-31T06:30, with Z or +01:00 if you like"
        ) from None
    if len(text.strip()) <= _DATE_LENGTH and is_end:
        following = moment.date() + timedelta(days=1)
        return datetime.combine(following, time(), ZoneInfo(zone)) - _INSTANT
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))
