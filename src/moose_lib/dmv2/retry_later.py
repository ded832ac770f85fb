"""The exception with which a handler asks to be run again later."""

from __future__ import annotations

import math
from datetime import timedelta

from moose_lib.durations import format_duration, parse_duration
from moose_lib.errors import InvalidDuration, MooseError


class RetryLater(MooseError):
    """Raise it in a handler that cannot go on now: it is run again after `delay`, and no attempt is used up.

    `delay` is "10m", or a timedelta, which may be computed: one that is over means at once. Nothing but
    `total_timeout` limits how often a task asks for it.

    Raises:
        InvalidDuration: the text is not a duration.

    Example:
        raise RetryLater("10m", "the bank is closed")
    """

    def __init__(self, delay: str | timedelta, message: str = "") -> None:
        self.delay = _exact(delay)
        self.reason = message
        super().__init__(
            f"asked to be run again in {format_duration(self.delay)}" + (f": {message}" if message else "")
        )


def _exact(delay: str | timedelta) -> timedelta:
    """In milliseconds, as everything here; computed spans are finer, and rounded up, so as not to come too early."""
    if isinstance(delay, timedelta):
        delay = timedelta(milliseconds=max(1, math.ceil(delay / timedelta(milliseconds=1))))
    duration = parse_duration(delay)
    if duration is None:
        raise InvalidDuration(delay, "a task that shall never run again fails: raise NonRetryableError")
    return duration
