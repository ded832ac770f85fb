"""What tasks print and log, each line with the run, task and attempt it belongs to."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import TextIO

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.engine.logs import current_run
from moose_lib.project.settings import LoggerSettings

__all__ = ["tagging"]

#: Tells about itself at INFO what only its makers want to know.
_sdk = logging.getLogger("temporalio")
_FIELDS = ("workflow", "workflow_id", "run_id", "task", "attempt")


@contextmanager
def tagging(settings: LoggerSettings) -> Generator[None]:
    """Send logs to stderr and tag what tasks write, until the worker ends."""
    is_json = settings.format == "json"
    stdout, stderr = sys.stdout, sys.stderr
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(_JsonFormatter() if is_json else _TextFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    _sdk.setLevel(logging.NOTSET if settings.level == "debug" else logging.WARNING)
    sys.stdout, sys.stderr = _TaggedStream(stdout, is_json=is_json), _TaggedStream(stderr, is_json=is_json)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = stdout, stderr
        root.removeHandler(handler)
        root.setLevel(level)
        _sdk.setLevel(logging.NOTSET)


class _TextFormatter(logging.Formatter):
    """`12:00:01 INFO [OrderProcessing/charge #1 1f0c8a9d] message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, its traceback under it."""
        parts = [f"{datetime.fromtimestamp(record.created).astimezone():%H:%M:%S}", record.levelname]
        tag = _record_tag(record)
        parts += [tag] if tag is not None else [record.name]
        text = " ".join([*parts, record.getMessage()])
        return text if record.exc_info is None else f"{text}\n{self.formatException(record.exc_info)}"


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record with the fields of its run."""
        fields = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _record_tag(record: logging.LogRecord) -> str | None:
    run = current_run.get()
    if run is not None:
        return _tag(run)
    if not all(hasattr(record, name) for name in _FIELDS):
        return None
    return _tag(RunInfo(**{name: getattr(record, name) for name in _FIELDS}))


def _tag(run: RunInfo) -> str:
    return f"[{run.workflow}/{run.task} #{run.attempt} {run.workflow_id.removeprefix(run.workflow + '-')}]"


class _TaggedStream(io.TextIOBase):
    """Passes whole lines on; those of a task come with its tag. Two tasks' lines never mix."""

    def __init__(self, stream: TextIO, *, is_json: bool) -> None:
        super().__init__()
        self._stream = stream
        self._is_json = is_json
        self._begun: dict[RunInfo, str] = {}
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Write, or keep what is not a whole line yet."""
        run = current_run.get()
        with self._lock:
            if run is None:
                self._stream.write(text)
                return len(text)
            *lines, rest = (self._begun.pop(run, "") + text).split("\n")
            for line in lines:
                self._stream.write(self._tagged(run, line))
            if rest:
                self._begun[run] = rest
        if lines:
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Write what lines have begun: of this task, or of all if no task asks."""
        run = current_run.get()
        with self._lock:
            for begun in list(self._begun) if run is None else [run]:
                rest = self._begun.pop(begun, None)
                if rest is not None:
                    self._stream.write(self._tagged(begun, rest))
            self._stream.flush()

    def _tagged(self, run: RunInfo, line: str) -> str:
        if not self._is_json:
            return f"{_tag(run)} {line}\n"
        fields = {name: getattr(run, name) for name in _FIELDS}
        time = datetime.now(UTC).isoformat()
        return json.dumps({"time": time, "level": "info", "logger": "print", "message": line, **fields}) + "\n"

    def isatty(self) -> bool:
        """Whether a terminal is behind."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor behind, for those who write past us."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Texts can be written."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property where the base has an attribute
        """The encoding of the stream behind."""
        return self._stream.encoding
