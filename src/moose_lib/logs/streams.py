"""`sys.stdout` and `sys.stderr` of a process that runs tasks: what a task prints is captured line by line."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from typing import Any, Final, Literal, TextIO, TypeAlias

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.attribution import current_run

__all__ = ["OnText", "PrintStream", "TaskStream"]

PrintStream: TypeAlias = Literal["stdout", "stderr"]
#: Takes what a task has printed, in whatever pieces it came.
OnText: TypeAlias = Callable[[RunInfo, PrintStream, str], None]

_EMIT: Final = logging.StreamHandler.emit.__code__


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
        if sys._getframe(1).f_code is not _EMIT or not _is_captured(sys._getframe(1).f_locals.get("record")):  # noqa: SLF001  # the one cheap way to know who writes
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


def _is_captured(record: object) -> bool:
    """Tell whether a record reaches the root logger, where it is captured."""
    if not isinstance(record, logging.LogRecord):
        return False
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return any(getattr(it, "captures_tasks", False) and record.levelno >= it.level for it in logging.root.handlers)
