"""Which file `moose-cli dev FILE` is about: commands in another terminal of the same folder need not be told."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["remembered_file", "remembering_file"]

_NOTE = Path(".moose") / "dev-file"


@contextmanager
def remembering_file(directory: Path, file: Path) -> Generator[None]:
    """Leave a note in `directory` while `dev` runs; the newest one counts."""
    note = directory / _NOTE
    text = f"{os.getpid()} {file.resolve()}"
    note.parent.mkdir(exist_ok=True)
    note.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        if _read(note) == text:
            note.unlink(missing_ok=True)
            _remove_if_empty(note.parent)


def remembered_file(directory: Path) -> Path | None:
    """Return the file, if there is a note and the file is still there."""
    _, _, name = _read(directory / _NOTE).partition(" ")
    file = Path(name)
    return file if name and file.is_file() else None


def _read(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8")
    except OSError:
        return ""


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
