"""`Schedule`: when a workflow runs by itself, and what happens when times overlap or were missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel

from moose_lib.durations import format_duration, parse_duration
from moose_lib.errors import InvalidDuration, InvalidSchedule
from moose_lib.schedules import ScheduleSpec, check_interval, check_schedule, longest_gap, time_zone_fault

__all__ = ["Catchup", "Overlap", "Schedule"]

Overlap: TypeAlias = Literal["skip", "buffer_one", "buffer_all", "allow_all", "cancel_other", "terminate_other"]
Catchup: TypeAlias = Literal["none", "last", "all"]

_Finding = tuple[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a workflow runs by itself. Exactly one of `cron` and `every` is given.

    Attributes:
        cron: one or several cron texts of 5 fields ("0 6 * * mon-fri") or words ("@daily"); any of them fires.
        every: an interval, as "5m", "36h", "7d"; counted from 1970-01-01 00:00 UTC, so "1h" is each full hour.
        timezone: the zone of `cron`, as "Europe/Berlin".
        overlap: what happens when a time comes while the run of an earlier one is open: "skip" it; "buffer_one" or
            "buffer_all": run it afterwards; "allow_all": run both; "cancel_other", "terminate_other": end the earlier
            one. Unset: "skip", and with catchup="all" "buffer_all".
        catchup: what happens with times that passed while the server was down: "none" of them runs, the "last" one,
            or "all". Unset: "last".
        jitter: start up to this much later, differently each time; never past the next time.
        paused: nothing fires until somebody unpauses it.
        input: the input of the runs: a model, or a mapping that is turned into JSON.

    Example:
        Schedule(cron="30 6 * * mon-fri", timezone="Europe/Berlin", overlap="buffer_one", input=Report(days=1))
    """

    cron: str | Sequence[str] | None = None
    every: str | timedelta | None = None
    timezone: str = "UTC"
    overlap: Overlap | None = None
    catchup: Catchup = "last"
    jitter: str | timedelta | None = None
    paused: bool = False
    input: BaseModel | Mapping[str, Any] | None = None  # Any: JSON

    def spec(self) -> ScheduleSpec:
        """The times, checked.

        Raises:
            InvalidSchedule: `cron` or `every` is wrong, or both or none is given.
        """
        if (self.cron is None) == (self.every is None):
            raise InvalidSchedule(str(self), "give either cron or every")
        if self.every is not None:
            return _interval(self.every)
        texts = [self.cron] if isinstance(self.cron, str) else self.cron
        if not isinstance(texts, Sequence) or not texts:
            raise InvalidSchedule(self.cron, "cron is one text or a list of texts")
        found = [check_schedule(text) for text in texts]
        for text, spec in zip(texts, found, strict=True):
            if spec.every is not None:
                raise InvalidSchedule(text, "it is an interval; write every=… for it")
        return ScheduleSpec(crons=tuple(dict.fromkeys(cron for spec in found for cron in spec.crons)))

    def findings(self) -> list[_Finding]:
        """Everything that is wrong with it, each with a hint; the input is checked where the workflow is compiled."""
        found = [*self._spec_findings(), *self._zone_findings()]
        found += _word_findings("overlap", self.overlap, (None, *get_args(Overlap)))
        found += _word_findings("catchup", self.catchup, get_args(Catchup))
        found += self._jitter_findings()
        if not isinstance(self.paused, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' values are not type-checked
            found.append((f"paused {self.paused!r} is not True or False", None))
        if not isinstance(self.input, BaseModel | Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            found.append((f"input {self.input!r} is not a model or a mapping", None))
        return found

    def __str__(self) -> str:
        """As people write it: `30 6 * * mon-fri (Europe/Berlin)`, `every 36h`."""
        if self.every is not None:
            return f"every {self.every if isinstance(self.every, str) else format_duration(self.every)}"
        crons = self.cron if isinstance(self.cron, str) else ", ".join(map(str, self.cron or ()))
        return f"{crons} ({self.timezone})"

    def _spec_findings(self) -> Iterator[_Finding]:
        if (self.cron is None) == (self.every is None):
            text = "has neither cron nor every" if self.cron is None else "has both cron and every"
            yield text, 'write Schedule(cron="0 0 * * *") or Schedule(every="36h")'
            return
        try:
            self.spec()
        except InvalidSchedule as error:
            yield error.message, error.hint

    def _zone_findings(self) -> Iterator[_Finding]:
        if self.every is not None and self.timezone != "UTC":
            text = f"timezone {self.timezone!r} has no meaning with every: an interval counts from 1970-01-01 00:00 UTC"
            yield text, "leave timezone out, or write cron=… for times of the day"
            return
        fault = time_zone_fault(self.timezone)
        if fault is not None:
            yield fault

    def _jitter_findings(self) -> Iterator[_Finding]:
        if self.jitter is None:
            return
        try:
            jitter = parse_duration(self.jitter)
        except InvalidDuration as error:
            yield f"jitter {error.message}", error.hint
            return
        if jitter is None:
            yield "jitter 'never' is not a length of time", 'write "30s" or "5m"'
        elif self._gap is not None and jitter > self._gap:
            longest = "interval" if self.every is not None else "longest time between two runs,"
            yield f"jitter {format_duration(jitter)} is longer than the {longest} {format_duration(self._gap)}", None

    @property
    def _gap(self) -> timedelta | None:
        try:
            return longest_gap(self.spec())
        except InvalidSchedule:
            return None


def _interval(every: object) -> ScheduleSpec:
    text = format_duration(every) if isinstance(every, timedelta) and every > timedelta() else every
    if isinstance(text, str) and text.strip().startswith("@every"):
        raise InvalidSchedule(every, f"write every={text.strip().removeprefix('@every').strip()!r}")
    if not isinstance(text, str):
        raise InvalidSchedule(every, "every is a length of time")
    if isinstance(every, timedelta) and every % timedelta(seconds=1):
        raise InvalidSchedule(every, "an interval is whole seconds")
    return ScheduleSpec(every=check_interval(text.strip(), every))


def _word_findings(name: str, value: object, allowed: tuple[str | None, ...]) -> Iterator[_Finding]:
    if value not in allowed:
        words = ", ".join(f'"{word}"' for word in allowed if word is not None)
        yield f"{name} {value!r} is not one of {words}", None
