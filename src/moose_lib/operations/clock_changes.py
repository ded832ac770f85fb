"""What happens to the times of a schedule when the clocks of its zone change, by what the server has answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from moose_lib.schedules import matches_cron

__all__ = ["ClockChange", "Effect", "clock_changes", "effect_of", "span_of"]

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
#: How long after the clocks went back the server may still leave out times.
_AFTERMATH = timedelta(hours=2)


@dataclass(frozen=True, kw_only=True)
class ClockChange:
    """The moment (UTC) at which a zone's offset changes."""

    moment: datetime
    before: timedelta
    after: timedelta

    @property
    def is_forward(self) -> bool:
        """An hour, mostly, that does not exist; otherwise one that comes twice."""
        return self.after > self.before


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The times of day that a change touches: they do not exist; come twice and run so often; or are left out.

    `left_out` are times that exist and that the server does not start all the same.
    """

    skipped: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def clock_changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[ClockChange]:
    """Yield the changes of a zone between two times."""
    day = start.astimezone(UTC)
    while day < end:
        following = min(day + _DAY, end.astimezone(UTC))
        if _offset(zone, day) != _offset(zone, following):
            moment = _moment(zone, day, following)
            yield ClockChange(
                moment=moment, before=_offset(zone, moment - _MINUTE), after=_offset(zone, moment + _MINUTE)
            )
        day = following


def span_of(change: ClockChange) -> tuple[datetime, datetime]:
    """Return the span whose times have to be known for `effect_of`.

    It begins somewhat earlier: what the server answers near a change depends on the time from which it is asked.
    """
    width = abs(change.after - change.before)
    return change.moment - width - _AFTERMATH, change.moment + width + _AFTERMATH


def effect_of(change: ClockChange, crons: Sequence[str], times: Iterable[datetime]) -> Effect:
    """Return what a change does to a schedule, whose runs around it start at `times`."""
    fired = frozenset(time.astimezone(UTC).replace(second=0, microsecond=0) for time in times)
    local = change.moment.replace(tzinfo=None)
    if change.is_forward:
        return Effect(skipped=_shown(_matching(crons, local + change.before, local + change.after)))
    return _back(change, crons, fired)


def _back(change: ClockChange, crons: Sequence[str], fired: Collection[datetime]) -> Effect:
    local = change.moment.replace(tzinfo=None)
    walls = _matching(crons, local + change.after, local + change.before)
    counts = {wall: sum((wall - offset).replace(tzinfo=UTC) in fired for offset in _offsets(change)) for wall in walls}
    later = _matching(crons, local + change.before, local + change.before + _AFTERMATH)
    missed = [wall for wall in walls if counts[wall] == 0]
    missed += [wall for wall in later if (wall - change.after).replace(tzinfo=UTC) not in fired]
    return Effect(
        twice=_shown([wall for wall in walls if counts[wall] > 1]),
        once=_shown([wall for wall in walls if counts[wall] == 1]),
        left_out=_shown(missed),
    )


def _offsets(change: ClockChange) -> tuple[timedelta, timedelta]:
    return change.before, change.after


def _matching(crons: Sequence[str], start: datetime, end: datetime) -> list[datetime]:
    minutes = [start + number * _MINUTE for number in range((end - start) // _MINUTE)]
    return [wall for wall in minutes if any(matches_cron(cron, wall) for cron in crons)]


def _shown(walls: Iterable[datetime]) -> tuple[str, ...]:
    return tuple(f"{wall:%H:%M}" for wall in walls)


def _moment(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """Close in on the change, to the minute."""
    before = _offset(zone, low)
    while high - low > _MINUTE:
        middle = low + (high - low) / 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high.replace(second=0, microsecond=0)


def _offset(zone: tzinfo, time: datetime) -> timedelta:
    return time.astimezone(zone).utcoffset() or timedelta()
