"""Exceptions as records of a local run."""

from __future__ import annotations

import traceback

from moose_lib.calling import users_frames
from moose_lib.testing.records import RunError


def printable(text: str) -> str:
    """Without halves of characters, which JSON does not take."""
    return text.encode(errors="backslashreplace").decode()


def describe(error: BaseException, *, task: str | None) -> RunError:
    """An exception as a record; the traceback begins with the user's first frame."""
    kind = type(error)
    kept = users_frames(error)
    return RunError(
        task=task,
        class_name=kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        message=str(error),
        traceback="".join(traceback.format_exception(kind, error, kept)),
        exception=error,
    )
