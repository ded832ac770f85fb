"""Rules for single settings: each function gives the faults of one value as (code, text, hint)."""

from __future__ import annotations

import re

from moose_lib.dmv2.schedule import Schedule
from moose_lib.durations import parse_duration
from moose_lib.errors import InvalidDuration, InvalidSchedule
from moose_lib.schedules import check_schedule

Finding = tuple[str, str, str | None]

_NAME = re.compile(r"\w(?:[\w.\- ]*[\w.\-])?")

#: Temporal takes ids of 1,000 bytes; a workflow's and a task's name together stay well below.
LONGEST_NAME = 200

#: Temporal counts attempts in 32 bits.
MOST_RETRIES = 1_000_000_000

#: Prefix of the interpreter's own recorded steps, `moose/plan`.
RESERVED_WORKFLOW_NAME = "moose"


def name_faults(kind: str, name: object) -> list[Finding]:
    """Names become Temporal's workflow and activity types and parts of ids and URLs."""
    if not isinstance(name, str) or not name:
        text = "the name is empty" if name == "" else f"the name {name!r} is not a text"
        return [("bad-name", text, f'write {kind.capitalize()}(name="…")')]
    size = len(name.encode(errors="replace"))
    if size > LONGEST_NAME:
        return [("bad-name", f"the name has {size} bytes, the limit is {LONGEST_NAME}", "choose a shorter one")]
    if _NAME.fullmatch(name) is None:
        hint = "use letters, digits, '_', '-', '.' and inner blanks"
        return [("bad-name", "the name has characters that ids and URLs do not take", hint)]
    if kind == "workflow" and name == RESERVED_WORKFLOW_NAME:
        return [("bad-name", "the name is reserved", "choose another one")]
    return []


def timeout_faults(timeout: object) -> list[Finding]:
    """A timeout is unset or a duration."""
    try:
        if timeout is not None:
            parse_duration(timeout)  # type: ignore[arg-type]  # any type is refused with a reason in there
    except InvalidDuration as error:
        return [("bad-timeout", f"timeout {error.message}", error.hint)]
    return []


def retries_faults(retries: object) -> list[Finding]:
    """Retries are unset or a whole number from 0; `True` is not a number here."""
    if retries is None:
        return []
    if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
        return [] if retries <= MOST_RETRIES else [("bad-retries", f"retries {retries} is over {MOST_RETRIES:,}", None)]
    return [("bad-retries", f"retries {retries!r} is not a whole number from 0", "0 means: one attempt, no retry")]


def schedule_faults(schedule: object) -> list[Finding]:
    """A schedule is unset, or a text or `Schedule` that Temporal's schedules take as it is meant."""
    if isinstance(schedule, Schedule):
        return [("bad-schedule", f"schedule {text}", hint) for text, hint in schedule.findings()]
    try:
        if schedule is not None:
            check_schedule(schedule)
    except InvalidSchedule as error:
        return [("bad-schedule", f"schedule {error.message}", error.hint)]
    return []
