"""How long a task waits before its next attempt, and how long one may take: one rule for workers and local runner."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict

from moose_lib.durations import format_duration
from moose_lib.errors import TaskTimedOut, TotalTimedOut

#: What may be added to or taken from a delay is read off this many steps.
_JITTER_STEPS: Final = 1 << 32


class Retrying(BaseModel):
    """The waits before a task's retries: `delay` first, each further one `backoff` times as long, up to `max_delay`.

    `jitter` is the share of a wait by which it is made longer or shorter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay: timedelta = timedelta(seconds=1)
    backoff: float = 2.0
    max_delay: timedelta = timedelta(seconds=100)
    jitter: float = 0.0


class Limits(Protocol):
    """How far the attempts of a task may go: a planned task knows it, and so does the call of one."""

    @property
    def retries(self) -> int:
        """The attempts after the first."""
        ...

    @property
    def retrying(self) -> Retrying:
        """The waits before them."""
        ...

    @property
    def timeout(self) -> timedelta | None:
        """Longest time for one attempt."""
        ...

    @property
    def total_timeout(self) -> timedelta | None:
        """Longest time for all of them with their waits."""
        ...


@dataclass(frozen=True, kw_only=True)
class TimeLimit:
    """How long an attempt may take, and what it ends with when it takes longer."""

    time: timedelta
    error: TaskTimedOut | TotalTimedOut


def time_limit(limits: Limits, *, attempt: int, elapsed: timedelta) -> TimeLimit | None:
    """The limit of an attempt that begins `elapsed` after its task was first scheduled; `None`: there is none."""
    if limits.total_timeout is not None:
        left = limits.total_timeout - elapsed
        if limits.timeout is None or left <= limits.timeout:
            return TimeLimit(time=left, error=TotalTimedOut(format_duration(limits.total_timeout), attempts=attempt))
    if limits.timeout is None:
        return None
    return TimeLimit(time=limits.timeout, error=TaskTimedOut(format_duration(limits.timeout)))


def delay_after(retrying: Retrying, attempts: int, *, seed: str = "") -> timedelta:
    """The wait when `attempts` have been used up.

    Jitter is drawn from `seed` and the number, so that the same task of the same run waits as long again whoever asks.
    """
    longest = retrying.max_delay.total_seconds()
    seconds = min(retrying.delay.total_seconds() * _power(retrying.backoff, attempts - 1), longest)
    seconds *= 1 + retrying.jitter * _draw(f"{seed}/{attempts}")
    return timedelta(milliseconds=round(seconds * 1000))


def _power(backoff: float, times: int) -> float:
    try:
        return backoff**times
    except OverflowError:
        return math.inf


def _draw(seed: str) -> float:
    """From -1 to 1, evenly."""
    drawn = int.from_bytes(hashlib.sha256(seed.encode(errors="replace")).digest()[:4], "big")
    return drawn * 2 / (_JITTER_STEPS - 1) - 1
