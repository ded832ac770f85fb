"""Texts for spans of time: `"30s"`, `"1h30m"`, `"never"`.

One grammar at every level (tasks, workflows, CLI flags). It is Go's, which Temporal uses too, with `d` and `w`,
decimals and spelled-out units: a text that is right here means the same there.
"""

from __future__ import annotations

import re
from datetime import timedelta

from moose_lib.errors import InvalidDuration

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_WORDS = {
    "ms": "ms millisecond milliseconds",
    "s": "s sec secs second seconds",
    "m": "m min mins minute minutes",
    "h": "h hr hrs hour hours",
    "d": "d day days",
    "w": "w week weeks",
}
_UNIT_BY_WORD = {word: _UNITS[unit] for unit, words in _WORDS.items() for word in words.split()}
_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)\s*", re.ASCII)

#: Temporal keeps durations as protobuf seconds; ten years is past any use and far from its limit.
LONGEST = timedelta(days=3652)


def parse_duration(value: str | timedelta) -> timedelta | None:
    """Read a duration; `None` means "never".

    Raises:
        InvalidDuration: not a duration, zero, negative, finer than a millisecond, or longer than ten years.

    Example:
        >>> parse_duration("1h30m")
        datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta):
        return _checked(value, value)
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        raise InvalidDuration(value, f"{value} of which unit?" if _is_number(value) else "not a text")
    text = value.strip().lower()
    if text == "never":
        return None
    if not text:
        raise InvalidDuration(value, "empty")
    if _is_number(text):
        raise InvalidDuration(value, f"a unit is missing, as in {text + 's'!r}")
    return _checked(value, _total(value, text))


def parse_age(value: str) -> timedelta:
    """Read how long ago something was: a duration, but not "never".

    Raises:
        InvalidDuration: as for `parse_duration`.
    """
    try:
        age = parse_duration(value)
    except InvalidDuration as error:
        raise InvalidDuration(value, error.reason, may_be_never=False) from None
    if age is None:
        raise InvalidDuration(value, "a span of time is wanted here", may_be_never=False)
    return age


def format_duration(duration: timedelta | None) -> str:
    """Write a duration as `parse_duration` reads it: `1h30m`, `250ms`, `never`."""
    if duration is None:
        return "never"
    rest, parts = duration, list[str]()
    for unit in ("w", "d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _total(value: str, text: str) -> timedelta:
    total, position, seen = timedelta(), 0, set[timedelta]()
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise InvalidDuration(value, f"cannot read {text[position:]!r}" if position else _why_not_begun(text))
        unit = _UNIT_BY_WORD.get(part["unit"])
        if unit is None:
            raise InvalidDuration(value, f"unknown unit {part['unit']!r}")
        if unit in seen:
            raise InvalidDuration(value, f"unit {part['unit']!r} appears twice")
        seen.add(unit)
        try:
            total += float(part["number"]) * unit
        except OverflowError:
            raise InvalidDuration(value, "longer than ten years") from None
        position = part.end()
    return total


def _why_not_begun(text: str) -> str:
    return "it is negative" if text.startswith("-") else "it does not begin with a number"


def _checked(value: str | timedelta, duration: timedelta) -> timedelta:
    if duration < timedelta(milliseconds=1):
        raise InvalidDuration(value, "shorter than a millisecond")
    if duration > LONGEST:
        raise InvalidDuration(value, "longer than ten years")
    if duration % _UNITS["ms"]:
        raise InvalidDuration(value, "finer than a millisecond")
    return duration


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[+-]?\d+(\.\d+)?", value) is not None
    return isinstance(value, int | float)
