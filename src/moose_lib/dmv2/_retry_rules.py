"""Rules for how a task is tried again and how long all of it may take: the faults as (code, text, hint)."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final, cast

from typing_extensions import TypeIs

from moose_lib.dmv2._rules import Finding
from moose_lib.durations import format_duration, parse_duration
from moose_lib.errors import InvalidDuration

#: Before the first retry of a task that does not say.
DEFAULT_RETRY_DELAY: Final = timedelta(seconds=1)

#: The choices of `on_failure` and `on_task_failure`.
CHOICES_ON_FAILURE: Final = ("fail", "park")


def delay_faults(*, delay: object, backoff: object, max_delay: object, jitter: object) -> list[Finding]:
    """The waits between attempts: durations, a factor from 1, and a share from 0 to 1."""
    first, found = _duration("retry_delay", delay)
    longest, faults = _duration("retry_max_delay", max_delay)
    found += faults
    shortest = DEFAULT_RETRY_DELAY if delay is None else first
    if longest is not None and shortest is not None and longest < shortest:
        unset = ", which is what it is where it is not set" if delay is None else ""
        text = f"retry_max_delay {max_delay!r} is shorter than retry_delay {format_duration(shortest)!r}{unset}"
        found.append(("bad-retry", text, "set retry_delay to no more than retry_max_delay"))
    if backoff is not None and not (_is_number(backoff) and backoff >= 1):
        text = f"retry_backoff {backoff!r} is not a number from 1"
        found.append(("bad-retry", text, "1 means: every delay as long as the first; 2: each twice as long"))
    if jitter is not None and not (_is_number(jitter) and 0 <= jitter <= 1):
        text = f"retry_jitter {jitter!r} is not a number from 0 to 1"
        found.append(("bad-retry", text, "0.1 means: each delay is up to 10 % longer or shorter"))
    return found


def limit_faults(
    *, timeout: object, retries: object, retry_delay: object, total_timeout: object, queue_timeout: object
) -> list[Finding]:
    """The limits of all attempts together, and of the waits for a worker, fit the limit of one attempt."""
    total, found = _duration("total_timeout", total_timeout, may_be_never=True)
    queue, faults = _duration("queue_timeout", queue_timeout, may_be_never=True)
    found += faults
    if total is None:
        return found
    attempt, delay = _known(timeout), _known(retry_delay)
    if attempt is not None and attempt > total:
        text = f"timeout {timeout!r} is longer than total_timeout {total_timeout!r}, which limits all attempts together"
        found.append(("bad-timeout", text, "set total_timeout to no less than timeout"))
    if queue is not None and queue >= total:
        text = f"queue_timeout {queue_timeout!r} is not shorter than total_timeout {total_timeout!r}, which covers it"
        found.append(("bad-timeout", text, "set a shorter queue_timeout, or none"))
    if delay is not None and delay >= total and retries != 0:
        text = (
            f"retry_delay {retry_delay!r} is not shorter than total_timeout {total_timeout!r}, so no retry is in time"
        )
        found.append(("bad-timeout", text, "set a longer total_timeout, or retries=0"))
    return found


def no_retry_faults(classes: object) -> list[Finding]:
    """Exception classes in a tuple or list."""
    if isinstance(classes, type) and issubclass(classes, BaseException):
        hint = f"write no_retry_for=({classes.__name__},)"
        return [("bad-retry", f"no_retry_for is {classes.__name__}, which is not a tuple", hint)]
    if not isinstance(classes, tuple | list):
        return [("bad-retry", f"no_retry_for is {classes!r}, which is not a tuple", "write no_retry_for=(ValueError,)")]
    listed = cast("tuple[object, ...] | list[object]", classes)  # of anything
    return [
        ("bad-retry", f"no_retry_for holds {kind!r}, which is not an exception class", "name classes, as ValueError")
        for kind in listed
        if not (isinstance(kind, type) and issubclass(kind, BaseException))
    ]


def on_failure_faults(setting: str, choice: object) -> list[Finding]:
    """Unset, "fail" or "park"."""
    if choice is None or choice in CHOICES_ON_FAILURE:
        return []
    return [("bad-on-failure", f"{setting} is {choice!r}", 'write "fail" or "park"')]


def _duration(setting: str, value: object, *, may_be_never: bool = False) -> tuple[timedelta | None, list[Finding]]:
    if value is None:
        return None, []
    try:
        duration = parse_duration(value)  # type: ignore[arg-type]  # any type is refused with a reason in there
    except InvalidDuration as error:
        return None, [("bad-timeout" if may_be_never else "bad-retry", f"{setting} {error.message}", error.hint)]
    if duration is None and not may_be_never:
        return None, [("bad-retry", f"{setting} {value!r} is no time to wait", 'write a duration, as "10s"')]
    return duration, []


def _known(value: object) -> timedelta | None:
    """A duration that has been found right, or will be told elsewhere."""
    return _duration("", value, may_be_never=True)[0]


def _is_number(value: object) -> TypeIs[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
