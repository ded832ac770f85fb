"""Waiting for what other processes do.

Commands that only look whether it has happened are not measured, as that makes each of them half as slow again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Final

__all__ = ["line_with", "unmeasured", "wait_for", "without_measuring"]

_PAUSE_SECONDS: Final = 0.05
_is_only_looking: ContextVar[bool] = ContextVar("is_only_looking", default=False)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Until it is so; asked again and again."""
    end = time.monotonic() + seconds
    with without_measuring():
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(_PAUSE_SECONDS)


def line_with(text: str, lines: IO[str] | None) -> str:
    """The next line of a command's output that has a text."""
    assert lines is not None
    for line in lines:
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


@contextmanager
def without_measuring() -> Generator[None]:
    """What is started meanwhile does not note which lines it runs."""
    token = _is_only_looking.set(True)
    try:
        yield
    finally:
        _is_only_looking.reset(token)


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as a command that is only to look should have it, if this is one."""
    is_left_out = _is_only_looking.get()
    return {name: value for name, value in environment.items() if not (is_left_out and name.startswith("COVERAGE"))}
