"""The connection to ClickHouse: what the mover needs of it, with errors of ours."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from moose_lib.ingest.clickhouse.ddl import FoundTable, Place, quoted
from moose_lib.ingest.clickhouse.failures import ClickHouseFailed, hint_for, row_of, sentence
from moose_lib.project.clickhouse import ClickHouseSettings

# It tells of each connection that fails what the error tells as well.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

CONNECT_SECONDS: Final = 10
_AWAY: Final = "is ClickHouse running? [clickhouse_config] enabled = false leaves records in the store"
ANSWER_SECONDS: Final = 120
#: A batch is one block: kept whole or not at all, under one token, by the server's own rules for values.
_INSERTING: Final[Mapping[str, Any]] = {  # Any: as the driver has it
    "async_insert": 0,
    "insert_deduplicate": 1,
    "date_time_input_format": "best_effort",
    "input_format_null_as_default": 1,
    "input_format_parallel_parsing": 0,
    "input_format_skip_unknown_fields": 0,
    "max_insert_block_size": 10_000_000,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 1_000_000_000,
    "max_partitions_per_insert_block": 0,
}
_COLUMNS: Final = (
    "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}"
    " AND default_kind NOT IN ('MATERIALIZED', 'ALIAS') ORDER BY position"
)
_TABLES: Final = (
    "SELECT engine, engine_full, sorting_key, partition_key, primary_key, sampling_key FROM system.tables"
    " WHERE database = {database:String} AND name = {table:String}"
)


class _Rows(Protocol):
    """What a query of the driver returns."""

    result_rows: Sequence[Sequence[Any]]  # Any: of any type


class _Client(Protocol):
    """What is used of the driver's client, whose own types are partly unknown."""

    async def raw_insert(self, *, insert_block: bytes, settings: Mapping[str, Any]) -> object: ...

    async def command(self, cmd: str) -> object: ...

    async def query(self, query: str, *, parameters: Mapping[str, Any]) -> _Rows: ...

    async def close(self) -> None: ...


_driver: Any = clickhouse_connect  # Any: as above


class ClickHouse:
    """A server; connects when it is first asked, and again after it was away. All methods raise `ClickHouseFailed`."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._client: _Client | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Close its connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def insert(self, place: Place, columns: Sequence[str], body: bytes, token: str) -> None:
        """Insert lines of JSON, all or none; those that came with the token before are there already."""
        client = await self._connected()
        settings = {**_INSERTING, "insert_deduplication_token": token}
        head = f"INSERT INTO {place} ({', '.join(map(quoted, columns))}) FORMAT JSONEachRow\n"
        with _told(self._settings):
            await client.raw_insert(insert_block=head.encode() + body, settings=settings)

    async def execute(self, statement: str) -> None:
        """Run a statement that makes or changes something."""
        client = await self._connected()
        with _told(self._settings):
            await client.command(statement)

    async def formatted(self, expression: str) -> str:
        """An expression as the server writes it; as it is where the server does not understand it."""
        try:
            found = await self._rows("SELECT formatQuerySingleLine(concat('SELECT ', {it:String}))", {"it": expression})
        except ClickHouseFailed:
            return expression
        return str(found[0][0]).removeprefix("SELECT ")

    async def make_database(self, place: Place) -> None:
        """Make a table's database, if it is not there."""
        found = await self._rows("SELECT 1 FROM system.databases WHERE name = {it:String}", {"it": place.database})
        if not found:
            await self.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(place.database)}{place.on_cluster}")

    async def find(self, place: Place) -> FoundTable | None:
        """A table as it is there."""
        names = {"database": place.database, "table": place.table}
        found = await self._rows(_TABLES, names)
        if not found:
            return None
        columns = {str(name): str(type_name) for name, type_name in await self._rows(_COLUMNS, names)}
        engine, full, order, partition, primary, sampling = map(str, found[0])
        return FoundTable(
            columns=columns,
            engine=engine,
            engine_full=full,
            sorting_key=order,
            partition_key=partition,
            primary_key=primary,
            sampling_key=sampling,
        )

    async def _rows(self, statement: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:  # Any: the driver's
        client = await self._connected()
        with _told(self._settings):
            return (await client.query(statement, parameters=parameters)).result_rows

    async def _connected(self) -> _Client:
        async with self._lock:
            client = self._client
            if client is None:
                with _told(self._settings):
                    client = self._client = _connected(await _driver.get_async_client(**arguments(self._settings)))
            return client


def _connected(client: _Client) -> _Client:
    return client


def arguments(settings: ClickHouseSettings) -> dict[str, Any]:  # Any: the driver's
    """How the driver connects."""
    return {
        "host": settings.host,
        "port": settings.host_port,
        "username": settings.user,
        "password": settings.password.get_secret_value(),
        "interface": "https" if settings.use_ssl else "http",
        "connect_timeout": CONNECT_SECONDS,
        "send_receive_timeout": ANSWER_SECONDS,
        "autogenerate_session_id": False,
        "query_retries": 0,
        "compress": False,
        "client_name": "moose-workflows",
    }


def failed(error: Exception, settings: ClickHouseSettings) -> ClickHouseFailed:
    """An error of the driver as ours."""
    code, name = (error.code, error.name) if isinstance(error, Error) else (None, None)
    if code is None:
        text = f"{settings.url} cannot be reached: {_network_reason(error)}"
        return ClickHouseFailed(text, code=None, name=None, hint=_AWAY)
    text = sentence(str(error))
    return ClickHouseFailed(text, code=code, name=name, row=row_of(str(error)), hint=hint_for(code, text))


def is_late(error: BaseException) -> bool:
    """It is that there was no answer in time."""
    return any(isinstance(it, TimeoutError) for it in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that drivers wrap in words of their own."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _network_reason(error: BaseException) -> str:
    """What the system said about a connection."""
    for found in _causes(error):
        if isinstance(found, socket.gaierror):
            return "no such host"
        if isinstance(found, TimeoutError):
            return "no answer in time"
        if isinstance(found, OSError) and found.errno is not None and found.errno > 0:
            return os.strerror(found.errno).lower()
    number = re.search(r"\[Errno (\d+)\]", str(error))
    return sentence(str(error)) if number is None else os.strerror(int(number[1])).lower()


@contextmanager
def _told(settings: ClickHouseSettings) -> Generator[None]:
    try:
        yield
    except (ClickHouseError, OSError, TimeoutError) as error:
        raise failed(error, settings) from error
