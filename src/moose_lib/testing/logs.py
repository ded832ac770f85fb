"""What the tasks of local runs print and log, kept beside each attempt as a worker keeps it on disk."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.capture import Capture, CaptureHandler
from moose_lib.logs.lines import Line
from moose_lib.logs.streams import PrintStream, TaskStream

__all__ = ["LocalLogs", "capturing"]

#: As much as a worker lets through unless it is told otherwise.
_BURST: Final = 10_000


class LocalLogs:
    """The lines of one run, by attempt."""

    def __init__(self) -> None:
        self.capture = Capture(self._take, burst=_BURST)
        self._lines: dict[RunInfo, list[Line]] = {}

    def of_ended(self, run: RunInfo) -> tuple[Line, ...]:
        """Hand over what an attempt that is over has written."""
        self.capture.attempt_ended(run)
        return tuple(self._lines.pop(run, ()))

    def _take(self, line: Line, _must: bool) -> bool:
        self._lines.setdefault(line.run, []).append(line)
        return True


_logs: ContextVar[LocalLogs | None] = ContextVar("_logs", default=None)


@contextmanager
def capturing() -> Generator[LocalLogs]:
    """Capture what tasks write within this context; they are seen where they would be seen without it, too."""
    logs = LocalLogs()
    token = _logs.set(logs)
    _installation.add()
    try:
        yield logs
    finally:
        _installation.remove()
        _logs.reset(token)


class _Installation:
    """Streams and root logger of this process, which runs in several threads share; in place while there is a run."""

    def __init__(self) -> None:
        self._runs = 0
        self._lock = threading.Lock()
        self._streams: tuple[TaskStream, TaskStream] | None = None
        self._handler = CaptureHandler(_logged, None)
        self._level = logging.WARNING

    def add(self) -> None:
        with self._lock:
            self._runs += 1
            if self._runs == 1:
                self._streams = (
                    TaskStream("stdout", sys.stdout, _printed, is_tee=True),
                    TaskStream("stderr", sys.stderr, _printed, is_tee=True),
                )
                sys.stdout, sys.stderr = self._streams
                self._level = logging.root.level
                logging.root.setLevel(min(self._level, logging.INFO))  # a worker's level
                logging.root.addHandler(self._handler)

    def remove(self) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs == 0 and self._streams is not None:
                out, err = self._streams
                out.pass_on()
                err.pass_on()
                sys.stdout = out.behind if sys.stdout is out else sys.stdout
                sys.stderr = err.behind if sys.stderr is err else sys.stderr
                logging.root.removeHandler(self._handler)
                logging.root.setLevel(self._level)


def _printed(run: RunInfo, stream: PrintStream, text: str) -> None:
    logs = _logs.get()
    if logs is not None:
        logs.capture.printed(run, stream, text)


def _logged(run: RunInfo, record: logging.LogRecord) -> None:
    logs = _logs.get()
    if logs is not None:
        logs.capture.logged(run, record)
    last_resort = logging.lastResort
    if last_resort is not None and len(logging.root.handlers) == 1 and record.levelno >= last_resort.level:
        last_resort.handle(record)  # as logging does where nobody has set it up; ours alone would silence it


#: One for the process: there is one `sys.stdout`.
_installation: Final = _Installation()
