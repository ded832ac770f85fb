"""Turns what tasks print and log into lines that know their attempt.

Everything here may be called in any thread, also in one in which `HandlerStopped` can arrive between two instructions:
what all attempts share is changed in steps that CPython does not interrupt; the lock of an attempt is one of C,
taken by `with`, which lets go of it whatever arrives.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.allowance import Allowance
from moose_lib.logs.attribution import FIELDS, run_of
from moose_lib.logs.breather import Breather
from moose_lib.logs.lines import OWN_LOGGER, PRINT, Level, Line, level_of
from moose_lib.logs.streams import PrintStream

__all__ = ["Capture", "CaptureHandler", "Deliver"]

#: Where lines go, and whether this one must be taken; False: there was no room for it.
Deliver: TypeAlias = Callable[[Line, bool], bool]

#: Characters of one line; a longer print becomes several, a longer message is cut.
LONGEST: Final = 64 * 1024
#: Attempts remembered after their end, for threads they left behind.
_REMEMBERED: Final = 1000
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", *FIELDS}
#: Lines kept of those that are too many.
_LAST: Final = 20
_CALM: Final = ("debug", "info")


class Capture:
    """Collects the lines of all attempts; an attempt may write `burst` lines at once, then a hundredth of it a second.

    Warnings and errors have an allowance of their own, a tenth of it, so that a flood does not hide them. What is over
    is dropped and counted, and a line says so; the last lines before the end, or before a pause, are kept all the same.
    """

    def __init__(self, deliver: Deliver, *, burst: int) -> None:
        self._deliver = deliver
        self._burst = burst
        self._attempts: dict[tuple[str, str, int], _Attempt] = {}

    def printed(self, run: RunInfo, stream: PrintStream, text: str) -> None:
        """Take what an attempt has printed."""
        self._attempt(run).printed(stream, text)

    def logged(self, run: RunInfo, record: logging.LogRecord) -> None:
        """Take a record of an attempt."""
        self._attempt(run).logged(record)

    def attempt_ended(self, run: RunInfo) -> None:
        """Tell what has no end of line, and what was dropped."""
        attempt = self._attempts.pop((run.run_id, run.task, run.attempt), None)
        if attempt is not None:
            attempt.end()

    def _attempt(self, run: RunInfo) -> _Attempt:
        key = (run.run_id, run.task, run.attempt)
        attempt = self._attempts.get(key)
        if attempt is None:
            attempt = self._attempts.setdefault(key, _Attempt(run, self._deliver, self._burst))
            if len(self._attempts) > _REMEMBERED:
                self._forget_oldest()
        return attempt

    def _forget_oldest(self) -> None:
        try:
            oldest = self._attempts.pop(next(iter(self._attempts)), None)
        except RuntimeError:  # another thread has just changed them; the next attempt makes up for it
            return
        if oldest is not None:
            oldest.end()


class _Attempt:
    """The lines of one attempt."""

    def __init__(self, run: RunInfo, deliver: Deliver, burst: int) -> None:
        self._run = run
        self._deliver = deliver
        self._allowance = Allowance(burst)
        self._urgent = Allowance(max(1, burst // 10))
        self._over: deque[Callable[[], Line]] = deque(maxlen=_LAST)
        self._dropped = 0
        self._begun: dict[tuple[PrintStream, int], str] = {}
        self._breather = Breather()
        self._lock = threading.RLock()

    def printed(self, stream: PrintStream, text: str) -> None:
        """Add the lines that are whole now; each thread of the attempt has lines of its own."""
        self._breather.written()
        key = (stream, threading.get_ident())
        with self._lock:
            if text == "\n":  # how `print` ends a line
                self._print(stream, self._begun.pop(key, ""))
                return
            begun = self._begun.pop(key, "") + text
            if "\n" not in text and len(begun) <= LONGEST:
                if begun:
                    self._begun[key] = begun
                return
            *lines, rest = begun.split("\n")
            while len(rest) > LONGEST:
                lines.append(rest[:LONGEST])
                rest = rest[LONGEST:]
            if rest:
                self._begun[key] = rest
            for line in lines:
                self._print(stream, line)

    def logged(self, record: logging.LogRecord) -> None:
        """Add a record."""
        self._breather.written()
        message = _cut(record.getMessage())  # now, as what it is made of may change
        allowance = self._allowance_for(level_of(record.levelno))
        with self._lock:
            if allowance.is_waiting:
                self._drop(partial(_line, self._run, record, message))
            else:
                self._add(_line(self._run, record, message))

    def end(self) -> None:
        """Add what has been begun."""
        with self._lock:
            begun, self._begun = self._begun, {}
            for (stream, _), rest in begun.items():
                self._print(stream, rest)
            self._tell_dropped(is_end=True)

    def _print(self, stream: PrintStream, text: str) -> None:
        if "\r" in text:  # a progress bar writes over itself: what is left to be seen counts
            text = text.removesuffix("\r")
            text = text[text.rfind("\r") + 1 :]
        level: Level = "info" if stream == "stdout" else "warning"
        for start in range(0, max(len(text), 1), LONGEST):
            self._add(Line(time.time(), level, PRINT, stream, text[start : start + LONGEST], self._run))

    def _add(self, line: Line) -> None:
        allowance = self._allowance_for(line.level)
        if allowance.admits(len(line.message) + (0 if line.traceback is None else len(line.traceback))):
            if self._over or self._dropped:
                self._tell_dropped()
            self._dropped += not self._deliver(line, False)
            return
        self._drop(lambda: line)

    def _allowance_for(self, level: Level) -> Allowance:
        return self._allowance if level in _CALM else self._urgent

    def _drop(self, line: Callable[[], Line]) -> None:
        """Keep a line in case it is one of the last; it is made when that is known."""
        self._dropped += len(self._over) == _LAST
        self._over.append(line)

    def _tell_dropped(self, *, is_end: bool = False) -> None:
        """Say how many lines are missing, and go on with the last ones before the gap's end.

        At the attempt's end that must be said: there is no later line with which it would be tried again.
        """
        over, dropped = [line() for line in self._over], self._dropped
        self._over.clear()
        self._dropped = 0
        if dropped:
            text = f"… {dropped:,} {'line' if dropped == 1 else 'lines'} dropped"
            text += f" (an attempt may write {self._allowance}; [logger] burst)" if over else ""
            moment = over[0].time if over else time.time()
            line = Line(moment, "warning", OWN_LOGGER, "log", text, self._run, None, {"dropped": dropped})
            if not self._deliver(line, is_end):
                self._dropped = dropped
        for line in over:
            self._dropped += not self._deliver(line, is_end)


class CaptureHandler(logging.Handler):
    """Hands records of tasks to a capture; with `others`, all the rest goes there.

    Takes no lock of `logging`'s: a handler thread that is stopped might leave it locked.
    """

    captures_tasks = True

    def __init__(self, on_record: Callable[[RunInfo, logging.LogRecord], None], others: logging.Handler | None) -> None:
        super().__init__()
        self._on_record = on_record
        self._others = others
        self._is_passing = False

    def pass_on(self) -> None:
        """Capture nothing from now on: all records are others'."""
        self._is_passing = True

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record."""
        if not self.filter(record):
            return False
        run = None if self._is_passing or _is_of_the_engine(record) else run_of(record)
        if run is None:
            return self._others is not None and bool(self._others.handle(record))
        try:
            self._on_record(run, record)
        except Exception:  # noqa: BLE001  # as logging does: a message whose arguments do not fit is no reason to fail
            self.handleError(record)
        return True


def _is_of_the_engine(record: logging.LogRecord) -> bool:
    """What Temporal's SDK says of its own work, some dozen lines an attempt at level "debug", is no log of the task."""
    return str(record.name).startswith("temporalio.") and record.levelno < logging.WARNING


def _line(run: RunInfo, record: logging.LogRecord, message: str) -> Line:
    fields = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    return Line(
        time=record.created,
        level=level_of(record.levelno),
        logger=record.name,
        stream="log",
        message=message,
        run=run,
        traceback=_traceback(record),
        fields=fields or None,
    )


def _traceback(record: logging.LogRecord) -> str | None:
    parts = list[str]()
    if record.exc_info is not None and record.exc_info[0] is not None:
        parts.append(_FORMATTER.formatException(record.exc_info))
    if record.stack_info is not None:
        parts.append(record.stack_info)
    return _cut("\n".join(parts)) if parts else None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… {len(text) - LONGEST:,} characters cut"


_FORMATTER: Final = logging.Formatter()
