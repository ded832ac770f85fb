"""What has been declared in this process: the one place with mutable module globals, because the API is made of them.

`_workflows` is a plain dict that users may read (`_workflows.get("Orders")`). Mistakes found while declaring raise at
once, unless somebody collects them: loading a project does, to report all of them together.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from moose_lib.errors import Fault, InvalidDefinition, Location

if TYPE_CHECKING:
    from moose_lib.dmv2.workflow import Workflow

_workflows: dict[str, Workflow] = {}

_collected: ContextVar[list[Fault] | None] = ContextVar("_collected", default=None)


def registered_workflows() -> dict[str, Workflow]:
    """The live registry, by workflow name."""
    return _workflows


@contextmanager
def collect_faults() -> Generator[list[Fault]]:
    """While open, mistakes in definitions are added to the list instead of being raised."""
    faults = list[Fault]()
    token = _collected.set(faults)
    try:
        yield faults
    finally:
        _collected.reset(token)


def report(faults: list[Fault]) -> None:
    """Raise `faults` together, or hand them to whoever collects.

    Raises:
        InvalidDefinition: there are faults and nobody collects them.
    """
    if not faults:
        return
    collected = _collected.get()
    if collected is None:
        raise InvalidDefinition(faults)
    collected.extend(faults)


def caller_location() -> Location:
    """The line of the user's code that is declaring something right now."""
    frame = inspect.currentframe()
    assert frame is not None, "CPython has frames"
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "moose_lib":
        frame = frame.f_back
    return Location(file=frame.f_code.co_filename, line=frame.f_lineno)
