"""From declared tables and endpoints to what ingest works with, or to all the faults that prevent it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from moose_lib.dmv2.ingest import IngestApi
from moose_lib.dmv2.olap import OlapConfig, OlapTable
from moose_lib.errors import Fault


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """A table in the store: its name there, with the version (`Clicks_1_2`), and the model of its rows."""

    name: str
    model: type[BaseModel]
    config: OlapConfig


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where records of a model are accepted: `path` without the leading slash, `ingest/Clicks/1.2`.

    `has_dead_letters`: refused records of a batch are kept while the others are stored. `is_strict` is `None` where the
    model's own configuration says it; `is_open`: nobody has to show a key; `is_closed`: everybody has to, also where
    the project asks nobody.
    """

    name: str
    version: str | None
    path: str
    model: type[BaseModel]
    table: TablePlan
    has_dead_letters: bool
    is_strict: bool | None
    is_open: bool
    is_closed: bool = False
    metadata: Mapping[str, Any] | None = None  # Any: JSON

    @property
    def key(self) -> str:
        """Name and version: `Clicks`, `Clicks_1_2`."""
        return self.name if self.version is None else f"{self.name}_{self.version.replace('.', '_')}"


def compile_tables(tables: Iterable[OlapTable[Any]]) -> dict[str, TablePlan]:  # Any: each has a model of its own
    """The tables by their names in the store; declarations with faults have been reported and are left out."""
    return {table.key: _table(table, table.model_type) for table in tables if table.model_type is not None}


def try_compile_endpoints(apis: Iterable[IngestApi[Any]]) -> tuple[tuple[Endpoint, ...], list[Fault]]:  # Any: as above
    """The endpoints in the order in which they were declared, and the faults between them."""
    endpoints, faults = list[Endpoint](), list[Fault]()
    by_path = dict[str, IngestApi[Any]]()  # Any: as above
    for api in apis:
        earlier = by_path.setdefault(api.path.lower(), api)
        if earlier is not api:
            text = f"ingest {api.name!r}: path /{api.path} is that of {earlier.name!r} too (at {earlier.location})"
            faults.append(Fault(code="duplicate", message=text, location=api.location, hint="give one another path"))
        table = api.config.table
        if api.model_type is not None and table is not None and table.model_type is not None:
            endpoints.append(_endpoint(api, api.model_type, _table(table, table.model_type)))
    return tuple(endpoints), faults


def _table(table: OlapTable[Any], model: type[BaseModel]) -> TablePlan:  # Any: as above
    return TablePlan(name=table.key, model=model, config=table.config)


def _endpoint(api: IngestApi[Any], model: type[BaseModel], table: TablePlan) -> Endpoint:  # Any: as above
    config = api.config
    return Endpoint(
        name=api.name,
        version=config.version,
        path=api.path,
        model=model,
        table=table,
        has_dead_letters=config.dead_letter_queue is not None,
        is_strict=config.strict,
        is_open=config.authenticate is False,
        is_closed=config.authenticate is True,
        metadata=config.metadata,
    )
