"""What `moose-cli status` tells: the store's file, how far its rows have moved, and what waits for somebody."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moose_lib.cli.output import Output, Paint
from moose_lib.cli.texts import duration_text, json_time, local_text
from moose_lib.ingest.letters import count_letters, known_endpoints
from moose_lib.ingest.moves import Move, Waiting, read_moves, waiting
from moose_lib.ingest.querying import reading, stored_tables
from moose_lib.ingest.schema import quoted
from moose_lib.project.clickhouse import ClickHouseSettings
from moose_lib.project.settings import Settings
from moose_lib.server.sole import is_written

__all__ = ["show_status"]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table: `rows` in the file, those of them that wait to move, and how far it is."""

    name: str
    rows: int
    waiting: Waiting
    move: Move | None

    @property
    def state(self) -> str:
        """In a word."""
        return "not begun" if self.move is None else self.move.state


@dataclass(frozen=True, kw_only=True)
class _Status:
    """All of it."""

    size: int
    is_served: bool
    tables: Sequence[_Table]
    letters: Mapping[str, int]


def show_status(output: Output, settings: Settings) -> None:
    """Print it.

    Raises:
        StoreNotFound: nothing has been stored yet.
    """
    status = _read(settings)
    if output.is_json:
        output.document(_document(settings, status))
        return
    clickhouse = settings.clickhouse
    server = "running" if status.is_served else "not running"
    where = "not used" if clickhouse is None else f"{clickhouse.url}, database {clickhouse.db_name}"
    letters = ", ".join(f"{count:,} of {name}" for name, count in status.letters.items() if count)
    output.data(
        f"store         {settings.store_path}, {status.size / 1_000_000:,.1f} MB",
        f"server        {server}",
        f"clickhouse    {where}",
        f"dead letters  {letters or 'none'}",
        "",
    )
    _show_tables(output, clickhouse, status)
    _show_troubles(output, clickhouse, status)


def _show_tables(output: Output, clickhouse: ClickHouseSettings | None, status: _Status) -> None:
    if not status.tables:
        output.talk("no tables yet")
    elif clickhouse is None:
        output.table(("TABLE", "ROWS"), [(it.name, f"{it.rows:,}") for it in status.tables])
    else:
        header = ("TABLE", "WAITING", "OLDEST", "MOVED", "REFUSED", "STATE")
        output.table(header, [_row(it) for it in status.tables], [_paint(it) for it in status.tables])


def _show_troubles(output: Output, clickhouse: ClickHouseSettings | None, status: _Status) -> None:
    if clickhouse is None:
        return
    for table in status.tables:
        move = table.move
        if move is not None and move.error is not None:
            output.data(f"  {table.name}: {move.error}")
    hints = [it.move.hint for it in status.tables if it.move is not None and it.move.hint is not None]
    for hint in dict.fromkeys(hints):
        output.hint(hint)
    if not status.is_served and any(it.waiting.count for it in status.tables):
        output.hint("moose-cli serve moves what waits")


def _read(settings: Settings) -> _Status:
    with reading(settings.store_path) as connection:
        moves = read_moves(connection)
        return _Status(
            size=sum(it.stat().st_size for it in _files(settings.store_path)),
            is_served=is_written(settings.store_path),
            tables=[_table(connection, name, moves.get(name)) for name in stored_tables(connection)],
            letters={key: count_letters(connection, key)[0] for key in known_endpoints(connection)},
        )


def _files(path: Path) -> list[Path]:
    """The store's file and its log."""
    return [it for it in (path, path.with_name(f"{path.name}-wal")) if it.exists()]


def _table(connection: sqlite3.Connection, name: str, move: Move | None) -> _Table:
    (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()  # noqa: S608  # names are quoted
    late = waiting(connection, name, 0 if move is None else move.position)
    return _Table(name=name, rows=rows, waiting=late, move=move)


def _row(table: _Table) -> tuple[str, ...]:
    move, late = table.move, table.waiting
    oldest = "-" if late.oldest is None else duration_text(late.age)
    moved, refused = (0, 0) if move is None else (move.moved, move.refused)
    is_well = move is None or move.state == "moving"
    state = table.state if is_well or move is None else f"{table.state} since {local_text(move.since)}"
    return table.name, f"{late.count:,}", oldest, f"{moved:,}", f"{refused:,}", state


def _paint(table: _Table) -> Paint | None:
    paints: Mapping[str, Paint] = {"retrying": "warn", "blocked": "bad"}
    return paints.get(table.state)


def _document(settings: Settings, status: _Status) -> dict[str, Any]:  # Any: JSON
    clickhouse = settings.clickhouse
    where = None if clickhouse is None else {"url": clickhouse.url, "database": clickhouse.db_name}
    return {
        "store": {"path": str(settings.store_path), "bytes": status.size},
        "is_served": status.is_served,
        "clickhouse": where,
        "tables": [_table_document(it, is_moving=clickhouse is not None) for it in status.tables],
        "dead_letters": [{"name": name, "waiting": count} for name, count in status.letters.items()],
    }


def _table_document(table: _Table, *, is_moving: bool) -> dict[str, Any]:  # Any: JSON
    document: dict[str, Any] = {"name": table.name, "rows": table.rows}
    if not is_moving:
        return document
    move, late = table.move, table.waiting
    return document | {
        "waiting": late.count,
        "oldest_waiting": json_time(late.oldest),
        "lag_seconds": round(late.age.total_seconds(), 3),
        "state": table.state.replace(" ", "_"),
        "since": None if move is None else json_time(move.since),
        "error": None if move is None else move.error,
        "hint": None if move is None else move.hint,
        "place": None if move is None else move.place,
        "moved": 0 if move is None else move.moved,
        "refused": 0 if move is None else move.refused,
        "moved_at": None if move is None else json_time(move.moved_at),
    }
