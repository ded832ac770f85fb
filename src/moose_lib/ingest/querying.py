"""Reading the store: queries, tables, and the latest rows of one.

The connections of this module read and nothing else: `mode=ro`, `query_only`, and an authorizer that refuses what is no
reading before it runs. So they may be open while the server writes, and never checkpoint.
"""

from __future__ import annotations

import base64
import json
import math
import re
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from moose_lib.ingest.columns import Cell, Kind
from moose_lib.ingest.errors import InvalidQuery, QueryGivenUp, StoreFailed, StoreNotFound, TableNotFound
from moose_lib.ingest.schema import ID, INGESTED_AT, quoted

_READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
#: Pragmas that tell about tables.
_TELLING: Final = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "database_list"}
)
_BUSY_SECONDS: Final = 10.0
#: Steps of SQLite's machine between two looks for Ctrl-C and the clock: a few milliseconds.
_STEPS: Final = 100_000
_VERSIONED: Final = re.compile(r"(.+?)((?:_[0-9]+)+)")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Named columns, each name once, and rows that come as they are read."""

    columns: Sequence[str]
    rows: Iterator[tuple[Cell, ...]]


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A table as it is in the store: its columns of the models of now and of before, and how each is kept."""

    name: str
    kinds: Mapping[str, Kind]


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """A connection that only reads.

    Raises:
        StoreNotFound: there is no file.
        StoreFailed: it cannot be read.
    """
    if not path.exists():
        raise StoreNotFound(path)
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise StoreFailed(f"{path} cannot be opened: {error}") from error
    try:
        connection.execute("PRAGMA query_only=ON")
        yield connection
    except sqlite3.Error as error:
        raise StoreFailed(f"{path} cannot be read: {error}") from error
    finally:
        connection.close()


def query(connection: sqlite3.Connection, statement: str, patience: timedelta | None = None) -> Answer:
    """Run a statement that reads, to its last row within `patience`.

    Raises:
        InvalidQuery: it is no such statement, or SQLite refuses it.
        QueryGivenUp: it takes longer.
        KeyboardInterrupt: Ctrl-C, also while SQLite works.
    """
    refused, limit = list[int](), _Limit(patience)
    connection.set_authorizer(_guard(refused))
    connection.set_progress_handler(limit.is_over, _STEPS)  # Python looks for signals when it is called
    try:
        cursor = connection.execute(statement)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _error(error, refused, limit) from error
    if cursor.description is None:
        raise InvalidQuery("the query is empty", hint='moose-cli query "SELECT …"')
    return Answer(columns=unique_names(it[0] for it in cursor.description), rows=_rows(cursor, limit))


def stored_tables(connection: sqlite3.Connection) -> dict[str, StoredTable]:
    """The tables of models, by name."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_moose_tables'").fetchone()
    if known is None:
        return {}
    found = connection.execute("SELECT name, columns FROM _moose_tables ORDER BY name").fetchall()
    return {name: StoredTable(name=name, kinds=_kinds(columns)) for name, columns in found}


def find_table(tables: Mapping[str, StoredTable], name: str, command: str) -> StoredTable:
    """The table of a name: `Orders`, `orders`, `Orders_1_2`, `Orders/1.2`; a bare name is also its highest version.

    Raises:
        TableNotFound: there is none; the hint is `command` with the name that was meant.
    """
    found = best_version(name, tables)
    if found is None:
        raise TableNotFound(name, tables, command)
    return tables[found]


def best_version(name: str, keys: Iterable[str]) -> str | None:
    """The key that a name means, whatever its case; of several versions the highest."""
    wanted = name.replace("/", "_").replace(".", "_").lower()
    known = {key.lower(): key for key in keys}
    if wanted in known:
        return known[wanted]
    versions = list[tuple[tuple[int, ...], str]]()
    for key in known:
        parts = _VERSIONED.fullmatch(key)
        if parts is not None and parts[1] == wanted:
            versions.append((tuple(int(number) for number in parts[2][1:].split("_")), known[key]))
    return max(versions)[1] if versions else None


def latest(connection: sqlite3.Connection, table: StoredTable, count: int) -> Answer:
    """The rows that came last, the latest first, with values as JSON has them."""
    names = [ID, *table.kinds, INGESTED_AT]
    fields = ", ".join(map(quoted, names))
    statement = f"SELECT {fields} FROM {quoted(table.name)} ORDER BY {ID} DESC LIMIT ?"  # noqa: S608  # names are quoted
    return Answer(columns=names, rows=iter(connection.execute(statement, (count,))))


def json_value(value: Cell, kind: Kind | None = None) -> Any:  # Any: JSON
    """A cell as JSON: a value that is kept as JSON is itself again, bytes are base64, JSON has no infinity."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value is None or kind is None:
        return value
    if kind is Kind.BOOLEAN:
        return bool(value)
    return json.loads(value) if kind is Kind.JSON and isinstance(value, str) else value


def _kinds(columns: str) -> dict[str, Kind]:
    return {name: Kind(kind) for name, kind in json.loads(columns).items()}


def _guard(refused: list[int]) -> Callable[..., int]:
    def authorize(action: int, first: str | None, *_: str | None) -> int:
        if action in _READING:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first in _TELLING:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return sqlite3.SQLITE_OK  # SQLite's way to make json_each(…); it lets no statement change that table
        refused.append(action)
        return sqlite3.SQLITE_DENY

    return authorize


class _Limit:
    """The time that a query may take, from now on."""

    def __init__(self, patience: timedelta | None) -> None:
        self._patience = patience
        self._begun = time.monotonic()

    def is_over(self) -> bool:
        return self._patience is not None and time.monotonic() - self._begun >= self._patience.total_seconds()

    def interruption(self) -> BaseException:
        """Why SQLite was interrupted."""
        if self._patience is not None and self.is_over():
            return QueryGivenUp(self._patience)
        return KeyboardInterrupt()  # the progress handler raised, and SQLite tells it so


def _error(error: Exception, refused: Sequence[int], limit: _Limit) -> BaseException:
    if refused:
        hint = "records come in by POST /ingest/<name>, and go with the file"
        return InvalidQuery("the statement is refused: a query only reads", hint=hint)
    text = str(error)
    if text == "interrupted":
        return limit.interruption()
    if "one statement" in text:
        return InvalidQuery("there are several statements, and a query is one")
    return InvalidQuery(f"the store does not understand the query: {text}", hint="moose-cli ls shows the tables")


def _rows(cursor: sqlite3.Cursor, limit: _Limit) -> Iterator[tuple[Cell, ...]]:
    try:
        yield from iter(cursor.fetchone, None)
    except sqlite3.Error as error:
        raise _error(error, (), limit) from error


def unique_names(names: Iterable[str]) -> list[str]:
    """Names of columns, those that are taken with a number."""
    found = list[str]()
    for name in names:
        number, unique = 2, name
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found
