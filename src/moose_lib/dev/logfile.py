"""A log file that cannot fill the disk: at its limit it becomes `NAME.1` and a new one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LIMIT = 5 * 1024 * 1024


class LogFile:
    """Appends lines; holds at most two files of the limit."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self.path = path
        self._limit = limit
        self._file = path.open("ab", buffering=0)

    def write(self, line: str) -> None:
        """Append one line."""
        data = line.encode() + b"\n"
        if self._file.tell() + len(data) > self._limit and self._file.tell() > 0:
            self._file.close()
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab", buffering=0)
        self._file.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
