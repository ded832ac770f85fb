"""How long to wait before a died process is started again: 1 s, doubling to 30 s, fresh after 10 s of life."""

from __future__ import annotations

from datetime import timedelta

FIRST = timedelta(seconds=1)
LONGEST = timedelta(seconds=30)
HEALTHY = timedelta(seconds=10)


class Backoff:
    """Counts the quick deaths of one process."""

    def __init__(self) -> None:
        self._next = FIRST

    def after(self, lived: timedelta) -> timedelta:
        """Return the pause after a process that lived this long."""
        if lived >= HEALTHY:
            self._next = FIRST
        pause, self._next = self._next, min(self._next * 2, LONGEST)
        return pause
