"""How much an attempt may write: a lot at once, and after that a little every second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["Allowance"]

#: How long it takes until all that may be written at once may be written again.
_REFILL_SECONDS: Final = 100
#: Characters that count as one line.
_LINE: Final = 1024


class Allowance:
    """A bucket of `burst` lines that fills again at a hundredth of it per second, one line at least.

    Who has emptied it waits until a second's worth is there, so that a flood leaves few gaps and not one per line.
    """

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = float(burst)
        self._per_second = max(1.0, self._burst / _REFILL_SECONDS)
        self._clock = clock
        self._left = self._burst
        self._filled = clock()
        self._refused_until: float | None = None

    def __str__(self) -> str:
        """`10,000 lines at once, then 100 a second`."""
        return f"{self._burst:,.0f} lines at once, then {self._per_second:,.0f} a second"

    @property
    def is_waiting(self) -> bool:
        """Whatever may be written next is refused, for the moment."""
        return self._refused_until is not None and self._clock() < self._refused_until

    def admits(self, length: int) -> bool:
        """Tell whether a line of `length` characters may be written, and count it if so."""
        cost = 1 + length // _LINE
        if self._refused_until is not None or self._left < cost:
            now = self._clock()
            if self._refused_until is not None and now < self._refused_until:
                return False
            self._left = min(self._burst, self._left + (now - self._filled) * self._per_second)
            self._filled = now
            if self._left < min(cost, self._burst):
                self._refused_until = now + 1 - self._left / self._per_second
                return False
            self._refused_until = None
        self._left -= cost
        return True
