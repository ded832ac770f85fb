"""`sys.stdout` and `sys.stderr` of a process that runs tasks: what a task prints is captured line by line."""

from __future__ import annotations

import inspect
import io
import logging
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Literal, TextIO, TypeAlias

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.attribution import current_run

__all__ = ["OnText", "PrintStream", "TaskStream"]

PrintStream: TypeAlias = Literal["stdout", "stderr"]
#: Takes what a task has printed, in whatever pieces it came.
OnText: TypeAlias = Callable[[RunInfo, PrintStream, str], None]

_EMIT: Final = logging.StreamHandler.__dict__["emit"].__code__


class TaskStream(io.TextIOBase):
    """Hands over what is written within a task, and passes on everything else untouched.

    With `is_tee` the task's texts go both ways. A line that one of `logging`'s own handlers writes here is left out if
    the record it was made of is captured anyway.
    """

    def __init__(self, name: PrintStream, behind: TextIO, on_text: OnText, *, is_tee: bool = False) -> None:
        super().__init__()
        self.behind = behind
        self._which: PrintStream = name
        self._on_text = on_text
        self._is_tee = is_tee
        self._is_passing = False

    def __del__(self) -> None:
        """Leave the stream behind alone: the base would flush it, and it may be closed by then."""

    def pass_on(self) -> None:
        """Capture nothing from now on: whoever has kept this stream writes to the one behind."""
        self._is_passing = True

    def write(self, text: str) -> int:
        """Write as the stream behind does, or hand over."""
        run = current_run.get()
        if run is None or self._is_passing:
            return self.behind.write(text)
        if self._is_tee:
            self.behind.write(text)
        is_line = len(text) > 1 and text.endswith("\n")  # as handlers of `logging` write; print comes in pieces
        if not is_line or not _is_captured_anyway(inspect.currentframe()):
            self._on_text(run, self._which, text)
        return len(text)

    def flush(self) -> None:
        """Flush what is behind; a line a task has begun waits for its end, so that lines stay whole."""
        self.behind.flush()

    def isatty(self) -> bool:
        """Whether a terminal is behind."""
        return self.behind.isatty()

    def fileno(self) -> int:
        """Return the descriptor behind, for those who write past us."""
        return self.behind.fileno()

    def writable(self) -> bool:
        """Texts can be written."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property where the base has an attribute
        """The encoding of the stream behind."""
        return self.behind.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # as above
        """How the stream behind treats what it cannot encode."""
        return self.behind.errors

    def __getattr__(self, name: str) -> Any:  # Any: whatever else the stream behind has, as `buffer` and `reconfigure`
        return getattr(self.behind, name)


def _is_captured_anyway(frame: FrameType | None) -> bool:
    """Tell whether `frame` was called by a handler of `logging` for a record that reaches the root logger."""
    caller = None if frame is None else frame.f_back
    if caller is None or caller.f_code is not _EMIT:
        return False
    record = caller.f_locals.get("record")
    return isinstance(record, logging.LogRecord) and _reaches_capture(record)


def _reaches_capture(record: logging.LogRecord) -> bool:
    logger = logging.getLogger(record.name)
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
    return any(getattr(it, "captures_tasks", False) and record.levelno >= it.level for it in logger.handlers)
