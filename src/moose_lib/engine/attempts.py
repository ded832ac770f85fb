"""Counting attempts: a lost worker, a stopping one or one that does not know the task uses none up, nor RetryLater.

Temporal counts every time it hands a task to a worker. A task's own attempts are those whose handler ended by itself,
or ran out of time, so each attempt leaves a note of that in the task's heartbeat details, and the next one finds it
there. Temporal's retry policy therefore has no limit, and the attempt that was the last one says so in its failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import ValidationError

from moose_lib.engine.wire import AttemptsUsed

#: A task that its worker does not survive so often in a row of attempts is not given to another one.
MAX_LOSSES: Final = 10

_FIRST_DELAY: Final = timedelta(seconds=1)
_LONGEST_UNKNOWN_DELAY: Final = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Where a task stands at the begin of an attempt; `handed_out` is Temporal's count, this time included."""

    handed_out: int
    notes: AttemptsUsed

    @property
    def number(self) -> int:
        """Which attempt this is, from 1, as the handler sees it."""
        return self.notes.used + 1

    @property
    def losses(self) -> int:
        """How often the task was handed out and nobody ever told how it went."""
        return max(0, self.handed_out - 1 - self.notes.used - self.notes.excused - self.notes.postponed)

    @property
    def is_untried(self) -> bool:
        """No attempt has begun yet, as far as anybody told."""
        return self.notes.used == 0 and self.notes.postponed == 0 and self.losses == 0

    @property
    def unknown_delay(self) -> timedelta:
        """How long to wait before another worker is asked whether it knows the task."""
        return _doubled(self.notes.excused, _LONGEST_UNKNOWN_DELAY)

    @property
    def when_used(self) -> AttemptsUsed:
        """The note to leave when the handler ended by itself."""
        return self.notes.model_copy(update={"used": self.notes.used + 1})

    @property
    def when_excused(self) -> AttemptsUsed:
        """The note to leave when the attempt ended for a reason that is not the task's."""
        return self.notes.model_copy(update={"excused": self.notes.excused + 1})

    @property
    def when_postponed(self) -> AttemptsUsed:
        """The note to leave when the handler asked to be run again later."""
        return self.notes.model_copy(update={"postponed": self.notes.postponed + 1})


def read_attempts(handed_out: int, heartbeat_details: Sequence[object]) -> Attempts:
    """Where a task stands, from Temporal's count and the details an earlier attempt left."""
    notes = read_notes(heartbeat_details).model_copy(update={"held_up_by": None})  # that was the attempt before
    return Attempts(handed_out=handed_out, notes=notes)


def read_notes(heartbeat_details: Sequence[object]) -> AttemptsUsed:
    """The notes among heartbeat details; none were left before the first attempt ended."""
    try:
        return AttemptsUsed.model_validate(heartbeat_details[0]) if heartbeat_details else AttemptsUsed()
    except ValidationError:
        return AttemptsUsed()


def _doubled(times: int, longest: timedelta) -> timedelta:
    return min(_FIRST_DELAY * (1 << min(times, 20)), longest)
