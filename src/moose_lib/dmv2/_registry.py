"""What has been declared in this process: the one place with mutable module globals, because the API is made of them.

`_workflows` is a plain dict that users may read (`_workflows.get("Orders")`). Mistakes found while declaring raise at
once, unless somebody collects them: loading a project does, to report all of them together.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from moose_lib.errors import Fault, InvalidDefinition, Location

if TYPE_CHECKING:
    from moose_lib.dmv2.workflow import Workflow

_workflows: dict[str, Workflow] = {}


@dataclass(frozen=True)
class Collected:
    """What was declared while collecting: all workflows, those with faults too, and the faults."""

    workflows: list[Workflow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


_collected: ContextVar[Collected | None] = ContextVar("_collected", default=None)


def registered_workflows() -> dict[str, Workflow]:
    """The live registry, by workflow name."""
    return _workflows


def register(workflow: Workflow, faults: list[Fault]) -> None:
    """Add a workflow to the registry, unless it has faults.

    While faults are collected it is added all the same, as the code that follows may look it up; the first of a name
    stays.

    Raises:
        InvalidDefinition: there are faults and nobody collects them.
    """
    report(faults)
    collected = _collected.get()
    if collected is None:
        _workflows[workflow.name] = workflow
    else:
        collected.workflows.append(workflow)
        _workflows.setdefault(workflow.name, workflow)


@contextmanager
def collect() -> Generator[Collected]:
    """While open, mistakes in definitions are collected instead of being raised."""
    collected = Collected()
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


def is_collecting() -> bool:
    """Whether a project is being loaded."""
    return _collected.get() is not None


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
    collected.faults.extend(faults)


def caller_location() -> Location:
    """The line of the user's code that is declaring something right now."""
    frame = inspect.currentframe()
    assert frame is not None, "CPython has frames"
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "moose_lib":
        frame = frame.f_back
    file = frame.f_code.co_filename
    return Location(file=file if file.startswith("<") else str(Path(file).absolute()), line=frame.f_lineno)
