"""What people tell an open run: Temporal's signals, taken in the order in which they came.

Signals need no worker to be accepted, are part of the history, and can be sent by any client. One that makes no sense
(another name, bad JSON, a task that is not parked) is ignored: it must not stop the run.

Temporal hands the interpreter all that is new in one step, and the SDK delivers signals before the ends of tasks,
whatever came first. So a decision counts for the whole step in which it came: the failure that it is about may be the
next thing that the interpreter hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.common import RawValue

from moose_lib.engine import wire


@dataclass(frozen=True)
class RetryTask:
    """Run a parked task again, with all its attempts."""

    task: str


@dataclass(frozen=True)
class SkipTask:
    """Go on as if a parked task had completed with `output`."""

    task: str
    output: RawValue


@dataclass(frozen=True)
class GiveUp:
    """Let every parked task fail, and so the run; `reason` is what somebody said about it."""

    reason: str | None = None


Decision = RetryTask | SkipTask | GiveUp


@dataclass
class _Letter:
    """A decision, and the step of the run in which it came."""

    decision: Decision
    step: int
    is_read: bool = False


class Inbox:
    """The signals of a run. `news` is set when one came, or when anything else happened that the run waits for."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self._told_to_pause: bool | None = None
        self._letters = list[_Letter]()

    def deliver(self, signal: str, args: Sequence[RawValue], step: int) -> None:
        """Take a signal; `step` tells the steps of a run apart, as the length of its history does."""
        if signal in {wire.SIGNAL_PAUSE, wire.SIGNAL_UNPAUSE}:
            self._told_to_pause = signal == wire.SIGNAL_PAUSE
        decision = read_decision(signal, args)
        if decision is not None:
            self._letters.append(_Letter(decision, step))
        self.news.set()

    @property
    def is_paused(self) -> bool:
        """The run starts nothing new."""
        return bool(self._told_to_pause)

    def inherit(self, *, is_paused: bool) -> None:
        """Go on as the earlier part of the run, unless somebody has said something else in the meantime."""
        if self._told_to_pause is None:
            self._told_to_pause = is_paused

    def take(self, step: int) -> list[Decision]:
        """What was decided since the last time, and once more what was decided in this very step."""
        current = [letter for letter in self._letters if letter.step == step or not letter.is_read]
        for letter in current:
            letter.is_read = True
        self._letters = [letter for letter in current if letter.step == step]
        return [letter.decision for letter in current]


def read_decision(signal: str, args: Sequence[RawValue]) -> Decision | None:
    """What a signal decides; `None` for one that decides nothing."""
    order = wire.read_order(wire.json_of(args[0])) if args else None
    if signal == wire.SIGNAL_FAIL:
        return GiveUp(None if order is None else order.reason)
    if order is None:
        return None
    if signal == wire.SIGNAL_RETRY:
        return RetryTask(order.task)
    output = wire.json_of(args[1]) if len(args) > 1 else b"null"
    if signal == wire.SIGNAL_SKIP and output is not None:
        return SkipTask(order.task, wire.json_value(output))
    return None
