"""What is declared in this process, for code that looks it up by name.

Names with a version are `Clicks_1_2`. The dictionaries are the live ones: read them, and declare to change them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moose_lib.dmv2._registry import (
    registered_ingest_apis,
    registered_streams,
    registered_tables,
    registered_workflows,
)

if TYPE_CHECKING:
    from moose_lib.dmv2.ingest import IngestApi
    from moose_lib.dmv2.olap import OlapTable
    from moose_lib.dmv2.streams import Stream
    from moose_lib.dmv2.workflow import Workflow


def get_tables() -> dict[str, OlapTable[Any]]:  # Any: each has a model of its own
    """All tables by name."""
    return registered_tables()


def get_table(name: str) -> OlapTable[Any] | None:  # Any: as above
    """The table of that name, if there is one."""
    return registered_tables().get(name)


def get_streams() -> dict[str, Stream[Any]]:  # Any: as above
    """All streams by name; dead-letter queues are streams, too."""
    return registered_streams()


def get_stream(name: str) -> Stream[Any] | None:  # Any: as above
    """The stream of that name, if there is one."""
    return registered_streams().get(name)


def get_ingest_apis() -> dict[str, IngestApi[Any]]:  # Any: as above
    """All endpoints by name."""
    return registered_ingest_apis()


def get_ingest_api(name: str) -> IngestApi[Any] | None:  # Any: as above
    """The endpoint of that name, if there is one."""
    return registered_ingest_apis().get(name)


def get_workflows() -> dict[str, Workflow]:
    """All workflows by name."""
    return registered_workflows()


def get_workflow(name: str) -> Workflow | None:
    """The workflow of that name, if there is one."""
    return registered_workflows().get(name)
