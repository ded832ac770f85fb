"""How long a task waits before its next attempt: one rule for the workers and for the local runner."""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

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
