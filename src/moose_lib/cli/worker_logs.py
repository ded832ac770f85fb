"""What a worker process writes: the lines of tasks to disk and to stdout, its own word to stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TextIO

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.attribution import TASK_LOGGER
from moose_lib.logs.capture import Capture, CaptureHandler
from moose_lib.logs.lines import OWN_LOGGER, Line, tag, to_json, whole_text
from moose_lib.logs.outlet import Outlet
from moose_lib.logs.store import LOGS_DIRECTORY, LogStore
from moose_lib.logs.streams import TaskStream
from moose_lib.project.settings import LoggerSettings, Settings

__all__ = ["WorkerLogs", "capturing"]

#: Tells about itself at INFO what only its makers want to know.
_sdk = logging.getLogger("temporalio")
#: How long a worker that ends writes what waits to be written.
_PATIENCE_SECONDS: Final = 3.0


class WorkerLogs:
    """The capture of a worker process, as long as `capturing` lasts."""

    def __init__(self, settings: Settings, stdout: TextIO, stderr: TextIO) -> None:
        self._is_json = settings.logger.format == "json"
        self._stdout, self._stderr = stdout, stderr
        self._fault: str | None = None
        self._missed = 0
        #: Is told how many lines of an attempt are missing.
        self.on_dropped: Callable[[RunInfo, int], None] | None = None
        limit = settings.logger.max_size
        directory = settings.state_directory / LOGS_DIRECTORY
        self._store = LogStore(directory, max_size=limit) if limit else None
        self._disk = None if self._store is None else Outlet("moose-logs", self._keep)
        self._console = Outlet("moose-console", self._show)
        self._capture = Capture(self._deliver, burst=settings.logger.burst)
        self.attempt_ended = self._capture.attempt_ended
        self._handler = CaptureHandler(self._capture.logged, _others(settings.logger, stderr))
        self._handler.setLevel(settings.logger.level.upper())
        self.streams = (
            TaskStream("stdout", stdout, self._capture.printed),
            TaskStream("stderr", stderr, self._capture.printed),
        )
        os.register_at_fork(after_in_child=self._pass_on)  # there, the threads that write are missing

    def install(self) -> None:
        """Take the place of the streams, and hear the root logger, also if the user's code has reset it."""
        sys.stdout, sys.stderr = self.streams
        if self._handler not in logging.root.handlers:
            logging.root.addHandler(self._handler)
        logging.getLogger(TASK_LOGGER).disabled = False

    def close(self) -> None:
        """Write what waits, and give the root logger back; whoever has kept our streams writes to those behind."""
        self._pass_on()
        for outlet in (self._disk, self._console):
            if outlet is not None:
                outlet.close(_PATIENCE_SECONDS)
        if self._store is not None:
            self._store.close()
        logging.root.removeHandler(self._handler)

    def _pass_on(self) -> None:
        for part in (*self.streams, self._handler):
            part.pass_on()

    def _deliver(self, line: Line, must: bool) -> bool:
        is_kept = self._disk is None or self._disk.put(line, must=must)
        notice = line.fields if line.logger == OWN_LOGGER else None
        if notice is not None and not is_kept:
            return False  # it comes again, with a larger number: shown each time, there would be one per line
        if not self._console.put(line, must=must):
            self._missed += 1
        if notice is not None and self.on_dropped is not None:
            self.on_dropped(line.run, int(str(notice["dropped"])))
        return is_kept

    def _keep(self, lines: Sequence[Line]) -> None:
        assert self._store is not None, "only then somebody keeps"
        self._store.write(lines)
        fault, self._fault = self._fault, self._store.fault
        if self._fault is not None and fault is None:
            logging.getLogger(__name__).error("logs cannot be kept on disk: %s", self._fault)

    def _show(self, lines: Sequence[Line]) -> None:
        missed, self._missed = self._missed, 0
        parts = [to_json(line).decode() + "\n" if self._is_json else _text(line) for line in lines]
        if missed:
            parts.append(f"… {missed:,} lines not shown here: they come faster than they are read\n")
        try:
            self._stdout.write("".join(parts))
            self._stdout.flush()
        except (OSError, ValueError):  # nobody reads it any more; on disk there is all of it
            return


@contextmanager
def capturing(settings: Settings) -> Generator[WorkerLogs]:
    """Capture what tasks write, until the worker ends."""
    stdout, stderr, level = sys.stdout, sys.stderr, logging.root.level
    logging.root.setLevel(settings.logger.level.upper())
    _sdk.setLevel(logging.NOTSET if settings.logger.level == "debug" else logging.WARNING)
    logs = WorkerLogs(settings, stdout, stderr)
    logs.install()
    try:
        yield logs
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        logs.close()
        logging.root.setLevel(level)
        _sdk.setLevel(logging.NOTSET)


def _others(settings: LoggerSettings, stderr: TextIO) -> logging.Handler:
    """Return the handler for what belongs to no task."""
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(_JsonFormatter() if settings.format == "json" else _TextFormatter())
    return handler


def _text(line: Line) -> str:
    """`12:00:01 INFO [OrderProcessing/charge #1 1f0c8a9d] message`; each line of several begins so."""
    time = datetime.fromtimestamp(line.time).astimezone()
    begin = f"{time:%H:%M:%S} {line.level.upper()} {tag(line.run)}"
    return "".join(f"{begin} {part}\n" for part in whole_text(line).splitlines() or [""])


class _TextFormatter(logging.Formatter):
    """`12:00:01 INFO logger message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, its traceback under it."""
        time = datetime.fromtimestamp(record.created).astimezone()
        text = f"{time:%H:%M:%S} {record.levelname} {record.name} {record.getMessage()}"
        return text if record.exc_info is None else f"{text}\n{self.formatException(record.exc_info)}"


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record with the fields that a task's line has too."""
        line: dict[str, object] = {
            "time": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
