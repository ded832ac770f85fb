"""A thread that writes lines for the others: nobody who logs waits for a disk or a terminal.

What waits to be written is bounded. Beyond that lines are refused, and counted by whoever handed them over.

Who hands over takes no lock that others may hold: tasks do not wait for each other.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from moose_lib.logs.lines import Line

__all__ = ["Outlet"]

#: Lines that may wait to be written; each begun KiB of a line counts as one.
LIMIT: Final = 32 * 1024
_UNIT: Final = 1024
#: Lines written in one go: few, for whoever writes them holds Python's lock meanwhile; many when
#: a quarter of the room is taken.
_FEW: Final = 32
_MANY: Final = 1000
#: Before the next ones: a pause for the others if more are waiting, else a rest in which some come together.
_PAUSE_SECONDS: Final = 0.002
_REST_SECONDS: Final = 0.01


class Outlet:
    """Hands lines to `write`, in a thread of its own, many at a time if many wait."""

    def __init__(self, name: str, write: Callable[[Sequence[Line]], None], *, limit: int = LIMIT) -> None:
        self._write = write
        self._limit = limit
        self._queue: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._counter = itertools.count(1)
        self._taken = self._written = 0
        self._quiet_until = 0.0
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, line: Line, *, must: bool = False) -> bool:
        """Take a line; False if too much waits already, unless it must be taken."""
        if not must and self._taken - self._written >= self._limit:
            return False
        for _ in range(_size(line)):
            self._taken = next(self._counter)  # may be behind for a moment, if two threads do this at once
        self._queue.put(line)
        return True

    def close(self, patience: float) -> None:
        """Write what waits, without a rest, within `patience` seconds."""
        self._is_closing = True
        self._queue.put(None)
        self._thread.join(patience)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)
            self._written += sum(map(_size, batch))
            self._quiet_until = time.monotonic() + (_REST_SECONDS if len(batch) < _FEW else _PAUSE_SECONDS)

    def _next_batch(self) -> list[Line]:
        """Return what waits, at least one line; nothing in the end.

        One line is written at once. Those that follow it closely wait a moment and are written together: to wake up for
        each would cost whoever writes them more than the lines themselves.
        """
        line = self._queue.get()
        rest = self._quiet_until - time.monotonic()
        if line is not None and rest > 0 and not self._is_closing:
            time.sleep(rest)
        most = _FEW if self._taken - self._written < self._limit // 4 else _MANY
        batch = list[Line]()
        while line is not None:
            batch.append(line)
            if len(batch) == most or self._queue.empty():
                return batch
            line = self._queue.get()
        if batch:
            self._queue.put(None)  # for the next time
        return batch


def _size(line: Line) -> int:
    return 1 + (len(line.message) + (0 if line.traceback is None else len(line.traceback))) // _UNIT
