"""A store and its mover in the process of the test, for what does not need a server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel
from tests.clickhouse.conftest import ClickHouseProcess

from moose_lib.dmv2 import _registry
from moose_lib.ingest.clickhouse.mover import Mover
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.letters import Letter, read_letters
from moose_lib.ingest.moves import Move, read_moves, waiting
from moose_lib.ingest.querying import reading
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch
from moose_lib.observing.moving import MoveMetrics
from moose_lib.plan.endpoints import Endpoint, compile_tables, try_compile_endpoints
from moose_lib.project.clickhouse import ClickHouseSettings

PATIENCE = 120.0


class Yard:
    """What is declared now, a store for it, and where its rows go."""

    def __init__(self, folder: Path, clickhouse: ClickHouseProcess, settings: ClickHouseSettings) -> None:
        self.path = folder / "store.db"
        self.clickhouse = clickhouse
        self.settings = settings
        self.tables = compile_tables(_registry.registered_tables().values())
        self.endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
        self.registry = CollectorRegistry()
        self.metrics = MoveMetrics(self.registry)
        self.store = SqliteStore(self.path, self.tables.values())
        self.mover: Mover | None = None

    @property
    def database(self) -> str:
        return self.settings.db_name

    def endpoint(self, key: str) -> Endpoint:
        return next(it for it in self.endpoints if it.key == key)

    async def put(self, table: str, records: Sequence[BaseModel]) -> None:
        """Store records, as the server does with a request."""
        rows = [RowMaker(self.tables[table].model).row(it) for it in records]
        await self.store.put(Batch(endpoint=table, table=table, rows=rows))

    def move(self, table: str) -> Move:
        with reading(self.path) as connection:
            return read_moves(connection)[table]

    def waiting(self, table: str) -> int:
        with reading(self.path) as connection:
            move = read_moves(connection).get(table)
            return waiting(connection, table, 0 if move is None else move.position).count

    def letters(self, endpoint: str) -> list[Letter]:
        with reading(self.path) as connection:
            return list(read_letters(connection, endpoint))[::-1]

    def rows(self, query: str) -> list[Any]:  # Any: JSON
        """The rows of a query, where `{db}` is the database."""
        text = self.clickhouse.ask(query.replace("{db}", self.database))
        return [json.loads(line) for line in text.splitlines()]

    async def until(self, claim: Callable[[], bool], what: str = "") -> None:
        end = time.monotonic() + PATIENCE
        while not claim():
            assert time.monotonic() < end, f"it never came: {what}"
            await asyncio.sleep(0.01)

    async def made(self) -> None:
        """All tables are there."""
        count = "SELECT count() FROM system.tables WHERE database = '{db}'"
        await self.until(lambda: self.rows(count) == [[len(self.tables)]], "all tables made")

    async def all_moved(self, *tables: str) -> None:
        await self.until(lambda: not any(map(self.waiting, tables or self.tables)), "all rows there")

    async def is_state(self, table: str, state: str) -> Move:
        await self.until(lambda: self.move(table).state == state, f"{table} is {state}")
        return self.move(table)

    @property
    def troubles(self) -> Mapping[str, str]:
        return {} if self.mover is None else self.mover.troubles()

    def metric(self, line: str) -> float:
        text = generate_latest(self.registry).decode()
        return float(next(it for it in text.splitlines() if it.startswith(f"{line} ")).rpartition(" ")[2])


@asynccontextmanager
async def yard(
    folder: Path, clickhouse: ClickHouseProcess, *, settings: ClickHouseSettings | None = None
) -> AsyncGenerator[Yard]:
    """Move what is declared now, until the end."""
    found = Yard(folder, clickhouse, settings or clickhouse.settings())
    with found.store:
        mover = Mover(found.settings, found.store, found.path, found.tables.values(), found.endpoints, found.metrics)
        async with mover:
            found.mover = mover
            await found.until(lambda: set(found.tables) <= _begun(found.path), "all tables")
            yield found


def _begun(path: Path) -> set[str]:
    with reading(path) as connection:
        return set(read_moves(connection))
