"""Room for others between the lines of a thread that writes without end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Breather"]

#: A flood pauses whenever it has gone on for so long: whoever waits for Python's lock gets it then.
_SLICE_SECONDS: Final = 0.00025
#: Pieces that come faster than this, on average, are a flood.
_SECONDS_PER_PIECE: Final = 0.0001
#: How long a flood pauses, at least: enough for a thread that waits for Python's lock to get it.
_PAUSE_SECONDS: Final = 0.0001


class Breather:
    """Lets a thread that writes without end give up Python's lock for a moment, every now and then.

    Left alone it would give it up only when another thread has waited for five milliseconds (`sys.getswitchinterval`),
    each time that one wants it. A thread that runs an event loop does not pause: that would hold up all in the loop.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._pieces = 0
        self._since = clock()

    def written(self) -> None:
        """Note that something is being written, and pause if it is a flood."""
        self._pieces += 1
        passed = self._clock() - self._since
        if passed < _SLICE_SECONDS:
            return
        if passed < self._pieces * _SECONDS_PER_PIECE and not _runs_loop():
            self._sleep(_PAUSE_SECONDS)
        self._pieces = 0
        self._since = self._clock()


def _runs_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
