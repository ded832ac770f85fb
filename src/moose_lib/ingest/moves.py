"""How far the rows of each table have moved on to ClickHouse, in the store's own file.

Who moves rows may be killed at any moment. So the bounds of a batch and its token are committed before it is sent, and
what is sent again is the same rows under the same token. The token is drawn for the batch: a file that is restored from
a copy gives its numbers to other rows, which must not pass for those of before.

Moved rows are deleted, the last one of each table excepted: SQLite would give its number to the next row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from moose_lib.ingest.letterbox import Letters, keep_letters
from moose_lib.ingest.schema import ID, INGESTED_AT, quoted, stamp

#: `moving`: all is well. `retrying`: it passes. `blocked`: somebody has to do something.
MoveState = Literal["moving", "retrying", "blocked"]

#: Rows that are deleted in one commit, so that nobody waits long for it.
AT_ONCE: Final = 5_000
_SYSTEM: Final = """
CREATE TABLE IF NOT EXISTS _moose_moves (
    name TEXT PRIMARY KEY, place TEXT NOT NULL, position INTEGER NOT NULL, last INTEGER, token TEXT,
    moved INTEGER NOT NULL, refused INTEGER NOT NULL, moved_at TEXT, state TEXT NOT NULL, error TEXT, hint TEXT,
    since TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

Work = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, kw_only=True)
class Move:
    """How far a table is: rows up to `position` have gone; those up to `last` are on their way under `token`.

    `moved` and `refused` count rows since the beginning. `error` and `hint` are those of `state`, which is so `since`.
    """

    table: str
    place: str
    position: int
    last: int | None
    token: str | None
    moved: int
    refused: int
    moved_at: datetime | None
    state: MoveState
    error: str | None
    hint: str | None
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The rows of a table that have not moved yet, and when the oldest of them came."""

    count: int
    oldest: datetime | None

    @property
    def age(self) -> timedelta:
        """For how long the oldest waits."""
        return timedelta() if self.oldest is None else max(timedelta(), datetime.now(UTC) - self.oldest)


def read_moves(connection: sqlite3.Connection) -> dict[str, Move]:
    """All tables that move, or have moved, by name."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_moose_moves'").fetchone() is None:
        return {}
    rows = connection.execute(
        "SELECT name, place, position, last, token, moved, refused, moved_at, state, error, hint, since"
        " FROM _moose_moves ORDER BY name"
    )
    return {
        name: Move(
            table=name,
            place=place,
            position=position,
            last=last,
            token=token,
            moved=moved,
            refused=refused,
            moved_at=None if moved_at is None else datetime.fromisoformat(moved_at),
            state=state,
            error=error,
            hint=hint,
            since=datetime.fromisoformat(since),
        )
        for name, place, position, last, token, moved, refused, moved_at, state, error, hint, since in rows
    }


def waiting(connection: sqlite3.Connection, table: str, position: int) -> Waiting:
    """The rows behind a position; they have numbers without gaps."""
    rows = quoted(table)
    (newest,) = connection.execute(f"SELECT max({ID}) FROM {rows}").fetchone()  # noqa: S608  # names are quoted
    if newest is None or newest <= position:
        return Waiting(count=0, oldest=None)
    first = connection.execute(
        f"SELECT {INGESTED_AT} FROM {rows} WHERE {ID} > ? ORDER BY {ID} LIMIT 1",  # noqa: S608  # as above
        (position,),
    ).fetchone()
    return Waiting(count=newest - position, oldest=None if first is None else datetime.fromisoformat(first[0]))


def hide_moved(connection: sqlite3.Connection) -> None:
    """Let the questions of a connection find the rows that wait, and not those that have moved and are still there."""
    # The views are the connection's own; the file is open for reading alone.
    connection.execute("PRAGMA query_only=OFF")
    for move in read_moves(connection).values():
        rows = quoted(move.table)
        connection.execute(
            f"CREATE TEMP VIEW {rows} AS SELECT * FROM main.{rows} WHERE {ID} > {move.position}"  # noqa: S608  # names are quoted
        )
    connection.execute("PRAGMA query_only=ON")


def prepare(table: str, place: str) -> Work:
    """Begin to keep account of a table."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(_SYSTEM)
        connection.execute(
            "INSERT INTO _moose_moves (name, place, position, moved, refused, state, since)"
            " VALUES (?, ?, 0, 0, 0, 'moving', ?) ON CONFLICT (name) DO UPDATE SET place = excluded.place",
            (table, place, _now()),
        )

    return work


def begin(table: str, last: int, token: str) -> Work:
    """Name the batch that is sent next."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE _moose_moves SET last = ?, token = ? WHERE name = ?", (last, token, table))

    return work


def settle(table: str, last: int, *, moved: int, letters: Letters) -> Work:
    """Leave the batch behind: its rows are in ClickHouse, or in the dead letters from now on."""

    def work(connection: sqlite3.Connection) -> None:
        now = _now()
        keep_letters(connection, letters, now)
        connection.execute(
            "UPDATE _moose_moves SET position = ?, last = NULL, token = NULL, moved = moved + ?,"
            " refused = refused + ?, moved_at = ? WHERE name = ?",
            (last, moved, len(letters.records), now, table),
        )

    return work


def forget(table: str, position: int, deleted: list[int]) -> Work:
    """Delete some of the rows that have gone, and add to `deleted` how many; there are more while it is `AT_ONCE`."""
    rows = quoted(table)
    statement = (
        f"DELETE FROM {rows} WHERE {ID} IN (SELECT {ID} FROM {rows} WHERE {ID} <= ?"  # noqa: S608  # names are quoted
        f" AND {ID} < (SELECT max({ID}) FROM {rows}) ORDER BY {ID} LIMIT {AT_ONCE})"
    )

    def work(connection: sqlite3.Connection) -> None:
        deleted.append(connection.execute(statement, (position,)).rowcount)

    return work


def note(table: str, state: MoveState, error: str | None, hint: str | None) -> Work:
    """Tell how it goes; the time counts from when the state was another one."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE _moose_moves SET since = CASE WHEN state = :state THEN since ELSE :now END, state = :state,"
            " error = :error, hint = :hint WHERE name = :name",
            {"state": state, "now": _now(), "error": error, "hint": hint, "name": table},
        )

    return work


def _now() -> str:
    return stamp(datetime.now(UTC))
