"""A table of ClickHouse, made and changed for the model of now where nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from moose_lib.errors import MooseError
from moose_lib.ingest.clickhouse.ddl import (
    FoundTable,
    Place,
    WantedTable,
    additions,
    create_statement,
    differences,
    repair_statements,
)
from moose_lib.ingest.clickhouse.failures import ClickHouseFailed
from moose_lib.ingest.clickhouse.types import as_nullable


class Server(Protocol):
    """What is asked of a ClickHouse here."""

    async def find(self, place: Place) -> FoundTable | None:
        """A table as it is there."""
        ...

    async def make_database(self, place: Place) -> None:
        """Make a table's database."""
        ...

    async def execute(self, statement: str) -> None:
        """Run a statement."""
        ...

    async def formatted(self, expression: str) -> str:
        """An expression as the server writes it."""
        ...


class TableRefused(MooseError):
    """A table is there, and it is another one than declared; `changes` say what, each."""

    exit_code = 2

    def __init__(self, wanted: WantedTable, changes: list[str], repairs: list[str]) -> None:
        self.changes = tuple(changes)
        where = f"{wanted.place.database}.{wanted.place.table}"
        repair = f"{'; '.join(repairs)}; or " if repairs else ""
        hint = f'{repair}give the new shape a version of its own: version="2"'
        if not wanted.is_ours:
            hint = "add what is missing in ClickHouse: life_cycle is EXTERNALLY_MANAGED"
        super().__init__(f"ClickHouse has {where} in another shape: {'; '.join(changes)}", hint=hint)

    @classmethod
    def together(cls, refusals: Sequence[TableRefused]) -> TableRefused:
        """Those of several tables as one."""
        first = refusals[0]
        if len(refusals) > 1:
            lines = [f"{len(refusals)} tables of ClickHouse:", *(f"  {it.message}" for it in refusals)]
            first.message = "\n".join(lines)
        return first


async def ensure(
    server: Server, wanted: WantedTable, empty_columns: Callable[[], Awaitable[frozenset[str]]]
) -> FoundTable:
    """Make or change a table; returns what it is now.

    `empty_columns` looks, at every row of the store, for columns without a value; only to make a table.

    Raises:
        TableRefused: it is there in another shape.
        ClickHouseFailed: the server does not do it.
    """
    found = await server.find(wanted.place)
    if found is None and wanted.is_ours:
        await server.make_database(wanted.place)
        await server.execute(create_statement(_with_room(wanted, await empty_columns())))
        found = await server.find(wanted.place)
    if found is None and wanted.is_ours:
        raise ClickHouseFailed(f"{wanted.place} was made, and is not there", code=None, name=None)
    if found is None:
        raise TableRefused(wanted, ["the table is not there"], [])
    await _refuse(server, wanted, found)
    changes = additions(wanted, found)
    for _, statement in changes:
        await server.execute(statement)
    changed = await server.find(wanted.place) if changes else found
    return changed or found


async def pending(server: Server, wanted: WantedTable) -> list[str]:
    """What `ensure` would do, in a sentence each; it is only read.

    Raises:
        TableRefused, ClickHouseFailed: as there.
    """
    found = await server.find(wanted.place)
    if found is None:
        if not wanted.is_ours:
            raise TableRefused(wanted, ["the table is not there"], [])
        return [f"table {wanted.place.table} will be made"]
    await _refuse(server, wanted, found)
    return [sentence for sentence, _ in additions(wanted, found)]


async def _refuse(server: Server, wanted: WantedTable, found: FoundTable) -> None:
    if not wanted.is_ours:
        changes = differences(wanted, found, str)
    else:
        config = wanted.config
        expressions = (wanted.order, config.partition_by, config.primary_key_expression, config.sample_by_expression)
        formatted = {it: await server.formatted(it) for it in expressions if it is not None}
        changes = differences(wanted, found, lambda expression: formatted.get(expression, expression))
    if changes:
        raise TableRefused(wanted, changes, repair_statements(wanted, found))


def _with_room(wanted: WantedTable, empty_columns: frozenset[str]) -> WantedTable:
    """With NULL for the rows of before, which have no value for a field that was added; keys have none."""
    names = empty_columns - set(wanted.config.order_by_fields)
    columns = {name: as_nullable(it) if name in names else it for name, it in wanted.columns.items()}
    return replace(wanted, columns=columns)
