"""Large values as files named by their SHA-256, in a directory that all machines of the project see."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from moose_lib.errors import StoreUnreachable

__all__ = ["FileStore"]


class FileStore:
    """What is there once is complete, and stays until somebody deletes it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, digest: str, data: bytes) -> None:
        """Write the file, or touch it: who deletes old ones must not hit one that was just used again."""
        file = self._file(digest)
        try:
            try:
                os.utime(file)
            except FileNotFoundError:
                _write_whole(file, data)
        except OSError as error:
            raise StoreUnreachable(f"a value cannot be written to {file}: {error.strerror}") from error

    def get(self, digest: str) -> bytes | None:
        """Return the file's content."""
        file = self._file(digest)
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnreachable(f"the value in {file} cannot be read: {error.strerror}") from error

    def place(self, digest: str) -> str:
        """The file's path."""
        return str(self._file(digest))

    def _file(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest


def _write_whole(file: Path, data: bytes) -> None:
    """Write so that a crash or a second writer never leaves a part: aside, synced, renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
