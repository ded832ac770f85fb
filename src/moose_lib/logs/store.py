"""The logs of a project on disk: files of JSON Lines, each written by one process at a time, the oldest removed first.

Who writes a file holds a lock on it (`flock`), so that nobody removes it or writes to it too; the kernel drops the lock
of a killed process. A file begins with the time of its first line, in its name. It is only appended to, whole lines at
a time; a killed worker or a full disk may leave half a line at its end, which readers skip.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from moose_lib.logs.lines import Line, to_json

__all__ = ["LOGS_DIRECTORY", "LogStore", "kept_since", "log_files"]

#: Below the project's `.moose/`.
LOGS_DIRECTORY: Final = "logs"
_SUFFIX: Final = ".jsonl"
_FILES: Final = 20
_SMALLEST_FILE: Final = 64 * 1024
_LARGEST_FILE: Final = 10 * 1024 * 1024
_STAMP: Final = "%Y%m%dT%H%M%S.%f"
_PIECE: Final = 64 * 1024
#: After a failure, how long lines are given up before the disk is tried again.
_PAUSE_SECONDS: Final = 5.0


def log_files(directory: Path) -> list[Path]:
    """Return the files with logs, the oldest first."""
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == _SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return []


def kept_since(directory: Path) -> datetime | None:
    """Return the time of the first line that is kept; None if there is none. What is older made room for it."""
    for path in log_files(directory):
        with contextlib.suppress(ValueError):  # not a file of ours
            return datetime.strptime(path.name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    return None


class LogStore:
    """Appends lines, and keeps the folder below `max_size` bytes; for one thread.

    Nothing is created before the first line. `write` raises nothing: lines it cannot write are lost, and `fault` says
    why; it is None while all is well.
    """

    def __init__(self, directory: Path, *, max_size: int) -> None:
        self._directory = directory
        self._max_size = max_size
        self._file_size = min(max(max_size // _FILES, _SMALLEST_FILE), _LARGEST_FILE)
        self._descriptor: int | None = None
        self._again_at = 0.0
        self.fault: str | None = None

    def write(self, lines: Sequence[Line]) -> None:
        """Append lines."""
        if self.fault is not None and time.monotonic() < self._again_at:
            return
        try:
            for first, piece in _pieces(lines):
                self._append(first, piece)
            self.fault = None
        except OSError as error:
            self.close()  # half a line may be there: nothing must follow it
            self.fault = error.strerror or str(error)
            self._again_at = time.monotonic() + _PAUSE_SECONDS

    def close(self) -> None:
        """Let others have the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, first: Line, piece: bytes) -> None:
        descriptor = self._descriptor
        if descriptor is not None:
            found = os.fstat(descriptor)
            if found.st_nlink == 0 or (found.st_size > 0 and found.st_size + len(piece) > self._file_size):
                self.close()
                descriptor = None
        if descriptor is None:
            descriptor = self._open(first, len(piece))
        while piece:
            piece = piece[os.write(descriptor, piece) :]

    def _open(self, first: Line, length: int) -> int:
        """Go on with the newest file that nobody writes and that has room, or begin one."""
        _make(self._directory)
        for path in reversed(log_files(self._directory)):
            descriptor = self._take(path, length)
            if descriptor is not None:
                break
        else:
            descriptor = self._create(first)
        self._descriptor = descriptor
        self._prune()
        return descriptor

    def _take(self, path: Path, length: int) -> int | None:
        try:
            if path.stat().st_size + length > self._file_size:
                return None
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError:
            return None
        if not _locked(descriptor) or os.fstat(descriptor).st_size + length > self._file_size:
            os.close(descriptor)
            return None
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")
        return descriptor

    def _create(self, first: Line) -> int:
        stamp = datetime.fromtimestamp(first.time, UTC).strftime(_STAMP)
        path = self._directory / f"{stamp}-{os.getpid()}-{secrets.token_hex(2)}{_SUFFIX}"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            if _locked(descriptor):
                return descriptor
            os.close(descriptor)  # somebody who makes room looked at it just now

    def _prune(self) -> None:
        """Remove the oldest files until all of the rest may be full: those being written, and those that are."""
        files = [(path, _size_of(path)) for path in log_files(self._directory)]
        free = [(path, size) for path, size in files if not _is_written(path)]
        rest = {path for path, _ in files} - {path for path, _ in free}
        total = sum(size if path not in rest else max(size, self._file_size) for path, size in files)
        for path, size in free:
            if total <= self._max_size:
                return
            _remove(path)
            total -= size


def _pieces(lines: Iterable[Line]) -> Iterator[tuple[Line, bytes]]:
    """Whole lines together, in pieces small enough for a file, each with its first line."""
    first, parts, size = None, list[bytes](), 0
    for line in lines:
        data = to_json(line) + b"\n"
        if first is not None and size + len(data) > _PIECE:
            yield first, b"".join(parts)
            first, parts, size = None, [], 0
        first = first or line
        parts.append(data)
        size += len(data)
    if first is not None:
        yield first, b"".join(parts)


def _make(directory: Path) -> None:
    """Make the folder; all of `.moose/` stays out of git."""
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        note = directory.parent / ".gitignore"
        if not note.exists():
            note.write_text("*\n", encoding="utf-8")


def _locked(descriptor: int) -> bool:
    """Lock a file that is still there; False if it is gone, or somebody else's."""
    with contextlib.suppress(OSError):  # a file system without locks is no reason to lose lines
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return os.fstat(descriptor).st_nlink > 0


def _is_written(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # as above
        return False
    finally:
        os.close(descriptor)
    return False


def _remove(path: Path) -> None:
    """Remove a file, unless somebody has begun to write it."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if _locked(descriptor):
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
