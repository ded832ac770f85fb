"""How many tasks of one run may be open at a time, so that neither their number nor their values are too much.

The server refuses more than 2,000 open tasks, and it ends a run whose history exceeds 50 MB; a run goes on in a new
history only when nothing is open any more. So the window begins small, grows with the tasks that have ended, and
shrinks where their values turn out to be large.
"""

from __future__ import annotations

from typing import Final

_FIRST: Final = 100
_MOST: Final = 500
_GROWTH: Final = 2
_OPEN_BYTES: Final = 24 * 1024 * 1024


class Window:
    """The room for open tasks in one life of a run. Deterministic: it knows only what ended, and how large it was."""

    def __init__(self) -> None:
        self._ended = 0
        self._largest = 1

    @property
    def size(self) -> int:
        """The tasks that may be open now."""
        return max(1, min(_MOST, _FIRST + _GROWTH * self._ended, _OPEN_BYTES // self._largest))

    def ended(self, size: int) -> None:
        """A task has ended with an output that takes `size` bytes of the history."""
        self._ended += 1
        self._largest = max(self._largest, size)
