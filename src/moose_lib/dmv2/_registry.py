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
from typing import TYPE_CHECKING, TypeVar

from moose_lib.errors import Fault, InvalidDefinition, Location

if TYPE_CHECKING:
    from typing import Any

    from moose_lib.dmv2.ingest import IngestApi
    from moose_lib.dmv2.olap import OlapTable
    from moose_lib.dmv2.streams import Stream
    from moose_lib.dmv2.workflow import Workflow

_workflows: dict[str, Workflow] = {}
#: By name, or name and version: `Clicks`, `Clicks_1_2`.
_tables: dict[str, OlapTable[Any]] = {}  # Any: each has a model of its own
_streams: dict[str, Stream[Any]] = {}  # Any: as above
_ingest_apis: dict[str, IngestApi[Any]] = {}  # Any: as above


@dataclass(frozen=True)
class Collected:
    """What was declared while collecting: all workflows, those with faults too, and the faults."""

    workflows: list[Workflow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


_collected: ContextVar[Collected | None] = ContextVar("_collected", default=None)


def registered_workflows() -> dict[str, Workflow]:
    """The live registry, by workflow name."""
    return _workflows


def registered_tables() -> dict[str, OlapTable[Any]]:  # Any: each has a model of its own
    """The live registry, by name and version."""
    return _tables


def registered_streams() -> dict[str, Stream[Any]]:  # Any: as above
    """The live registry, by name and version; dead-letter queues are streams, too."""
    return _streams


def registered_ingest_apis() -> dict[str, IngestApi[Any]]:  # Any: as above
    """The live registry, by name and version."""
    return _ingest_apis


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


def register_table(table: OlapTable[Any], faults: list[Fault]) -> None:
    """Add a table.

    Raises:
        InvalidDefinition: there are faults, its name in this version being taken among them, and nobody collects them.
    """
    namesake = next((it for key, it in _tables.items() if key != table.key and key.lower() == table.key.lower()), None)
    if namesake is not None:
        text = f"table {table.key!r} differs only in case from {namesake.key!r} (at {namesake.location})"
        hint = "give one another name: the store takes them for the same"
        faults.append(Fault(code="duplicate", message=text, location=table.location, hint=hint))
    _add(_tables, table, "table", faults)


def register_stream(stream: Stream[Any], faults: list[Fault]) -> None:
    """Add a stream; as `register_table`."""
    _add(_streams, stream, "stream", faults)


def register_ingest_api(api: IngestApi[Any], faults: list[Fault]) -> None:
    """Add an endpoint; as `register_table`."""
    _add(_ingest_apis, api, "ingest", faults)


_Declared = TypeVar("_Declared", bound="OlapTable[Any] | Stream[Any] | IngestApi[Any]")


def _add(registry: dict[str, _Declared], it: _Declared, kind: str, faults: list[Fault]) -> None:
    earlier = registry.get(it.key)
    if earlier is not None and earlier.location != it.location:  # the same line again is a reloaded module
        text = f"{kind} {it.key!r} is declared twice: here and at {earlier.location}"
        faults.append(
            Fault(code="duplicate", message=text, location=it.location, hint="give one another name or version")
        )
    report(faults)
    if not faults:
        registry[it.key] = it


def versioned(name: str, version: str | None) -> str:
    """Name and version as one name: `Clicks`, `Clicks_1_2`."""
    return (
        name if version is None else f"{name}_{str(version).replace('.', '_')}"
    )  # users' versions are not type-checked


def clear() -> None:
    """Forget everything that was declared."""
    for registry in (_workflows, _tables, _streams, _ingest_apis):
        registry.clear()


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
