"""The tables of the SQLite store: made for the declared models, and changed with them where nothing is lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from moose_lib.ingest.columns import Column, Kind, columns_of
from moose_lib.ingest.errors import LossyMigration
from moose_lib.plan.endpoints import TablePlan

#: Columns that every table has beside those of its model.
ID, INGESTED_AT = "_id", "_ingested_at"

_STORAGE: Mapping[Kind, str] = {
    Kind.TEXT: "TEXT",
    Kind.INTEGER: "INTEGER",
    Kind.REAL: "REAL",
    Kind.BOOLEAN: "INTEGER",
    Kind.DECIMAL: "TEXT",
    Kind.DATETIME: "TEXT",
    Kind.DATE: "TEXT",
    Kind.TIME: "TEXT",
    Kind.DURATION: "REAL",
    Kind.UUID: "TEXT",
    Kind.BYTES: "BLOB",
    Kind.JSON: "TEXT",
}
#: Kinds whose values read the same as those of the kind that follows.
_WIDENING = frozenset({(Kind.BOOLEAN, Kind.INTEGER), (Kind.UUID, Kind.TEXT), (Kind.DECIMAL, Kind.TEXT)})

_SYSTEM = """
CREATE TABLE IF NOT EXISTS _moose_tables (name TEXT PRIMARY KEY, columns TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _moose_idempotency (
    endpoint TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, stored INTEGER NOT NULL, rejected INTEGER NOT NULL,
    at TEXT NOT NULL, set_aside INTEGER NOT NULL DEFAULT 0, place TEXT, attempt TEXT, displaced TEXT,
    last_letter INTEGER, PRIMARY KEY (endpoint, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _moose_idempotency_at ON _moose_idempotency (at);
CREATE TABLE IF NOT EXISTS _moose_dead_letters (
    id INTEGER PRIMARY KEY, queue TEXT NOT NULL, endpoint TEXT NOT NULL, record TEXT NOT NULL, error_type TEXT NOT NULL,
    error_message TEXT NOT NULL, source TEXT NOT NULL, failed_at TEXT NOT NULL, replayed_at TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS _moose_dead_letters_queue ON _moose_dead_letters (queue, id);
"""

_PLACES = """
CREATE UNIQUE INDEX IF NOT EXISTS _moose_idempotency_place ON _moose_idempotency (endpoint, place)
    WHERE place IS NOT NULL
"""
_DISPLACED = """
CREATE INDEX IF NOT EXISTS _moose_idempotency_displaced ON _moose_idempotency (endpoint, displaced)
    WHERE displaced IS NOT NULL
"""
#: Columns that our own tables did not have at first.
_LATER = {
    "set_aside": "INTEGER NOT NULL DEFAULT 0",
    "place": "TEXT",
    "attempt": "TEXT",
    "displaced": "TEXT",
    "last_letter": "INTEGER",
}


def stamp(moment: datetime) -> str:
    """A moment as the store writes it: in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def migrate(connection: sqlite3.Connection, tables: Iterable[TablePlan]) -> list[str]:
    """Make and change tables for the models of now; tells in a sentence each what was done.

    All or nothing: a change that would lose data leaves everything as it was.

    Raises:
        LossyMigration: a field of the model has another kind than the column with its name.
    """
    connection.executescript(_SYSTEM)
    connection.execute("BEGIN IMMEDIATE")
    try:
        _complete_ledger(connection)
        done = [sentence for table in tables for sentence in _migrate(connection, table)]
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return done


def _complete_ledger(connection: sqlite3.Connection) -> None:
    there = {row[1] for row in connection.execute("PRAGMA table_info(_moose_idempotency)")}
    for name, kind in _LATER.items():
        if name not in there:
            connection.execute(f"ALTER TABLE _moose_idempotency ADD COLUMN {name} {kind}")
    connection.execute(_PLACES)
    connection.execute(_DISPLACED)


def pending_changes(connection: sqlite3.Connection, table: TablePlan) -> list[str]:
    """What `migrate` would do to a table, in a sentence each; it is only read.

    Raises:
        LossyMigration: as `migrate`.
    """
    columns, before = columns_of(table.model), _columns_before(connection, table.name)
    if before is None:
        return [f"table {table.name} will be made"]
    _refuse_losses(table.name, before, columns)
    return [f"table {table.name}: column {it.name} will be added" for it in columns if it.name not in before]


def insert_statement(table: TablePlan) -> str:
    """The statement that adds a row: the cells of a `RowMaker`, and when it came."""
    names = [*(column.name for column in columns_of(table.model)), INGESTED_AT]
    fields = ", ".join(quoted(name) for name in names)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {quoted(table.name)} ({fields}) VALUES ({marks})"  # noqa: S608  # names are quoted


def _columns_before(connection: sqlite3.Connection, name: str) -> dict[str, Kind] | None:
    """The columns of a table as it is in the store; `None` if it is not there.

    Raises:
        LossyMigration: it is there under a name that differs only in case, which SQLite ignores.
    """
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_moose_tables'").fetchone() is None:
        return None
    row = connection.execute("SELECT columns FROM _moose_tables WHERE name = ?", (name,)).fetchone()
    if row is None:
        tables = [it[0] for it in connection.execute("SELECT name FROM _moose_tables")]
        namesake = _in_other_case(name, tables)
        if namesake is not None:
            raise LossyMigration(name, [f"its name was {namesake}"])
    return None if row is None else {column: Kind(kind) for column, kind in json.loads(row[0]).items()}


def _migrate(connection: sqlite3.Connection, table: TablePlan) -> list[str]:
    columns = columns_of(table.model)
    before = _columns_before(connection, table.name)
    if before is None:
        _create(connection, table, columns)
        _remember(connection, table.name, columns)
        return [f"table {table.name} made"]
    _refuse_losses(table.name, before, columns)
    added = [column for column in columns if column.name not in before]
    for column in added:
        definition = f"{quoted(column.name)} {_STORAGE[column.kind]}"
        connection.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {definition}")
    _index(connection, table)
    gone = [Column(name=name, kind=kind) for name, kind in before.items() if name not in {it.name for it in columns}]
    _remember(connection, table.name, [*columns, *gone])
    return [f"table {table.name}: column {column.name} added" for column in added]


def _create(connection: sqlite3.Connection, table: TablePlan, columns: Iterable[Column]) -> None:
    fields = [f"{quoted(column.name)} {_STORAGE[column.kind]}" for column in columns]
    parts = [f"{ID} INTEGER PRIMARY KEY", *fields, f"{INGESTED_AT} TEXT NOT NULL"]
    connection.execute(f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)}) STRICT")
    _index(connection, table)


def _index(connection: sqlite3.Connection, table: TablePlan) -> None:
    """The declared order is an index."""
    names = table.config.order_by_fields
    if names:
        fields = ", ".join(quoted(name) for name in names)
        index = quoted(f"{table.name}_order_{'_'.join(names)}")
        connection.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {quoted(table.name)} ({fields})")


def _remember(connection: sqlite3.Connection, name: str, columns: Iterable[Column]) -> None:
    kinds = json.dumps({column.name: column.kind.value for column in columns})
    connection.execute("INSERT OR REPLACE INTO _moose_tables (name, columns) VALUES (?, ?)", (name, kinds))


def _in_other_case(name: str, names: Iterable[str]) -> str | None:
    """The name that SQLite takes for the same; of bytes, as there, the case of ASCII letters alone is changed."""
    same = [it for it in names if it.encode().lower() == name.encode().lower()]
    return None if name in same else next(iter(same), None)


def _refuse_losses(table: str, before: Mapping[str, Kind], now: Sequence[Column]) -> None:
    lost = [
        f"{column.name} is {column.kind.value}, was {before[column.name].value}"
        for column in now
        if column.name in before
        and column.kind is not before[column.name]
        and (before[column.name], column.kind) not in _WIDENING
    ]
    lost += [f"{it.name} was {namesake}" for it in now if (namesake := _in_other_case(it.name, before)) is not None]
    if lost:
        raise LossyMigration(table, lost)
