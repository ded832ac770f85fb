"""Which store a command asks: the file, or the ClickHouse to which its rows move on."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from moose_lib.cli.options import StoreName
from moose_lib.cli.output import Output
from moose_lib.errors import MooseError
from moose_lib.ingest.errors import StoreNotFound
from moose_lib.ingest.moves import Move, hide_moved, read_moves, waiting
from moose_lib.ingest.querying import StoredTable, reading, stored_tables
from moose_lib.project.clickhouse import ClickHouseSettings
from moose_lib.project.settings import Settings

__all__ = ["asked_clickhouse", "note_waiting", "places", "reading_file"]


class NoClickHouse(MooseError):
    """ClickHouse is asked, and the settings name none."""

    exit_code = 2


def asked_clickhouse(settings: Settings, store: StoreName | None) -> ClickHouseSettings | None:
    """The ClickHouse to ask; `None` if it is the file.

    Raises:
        NoClickHouse: it is wanted, and there is none.
        MissingDriver: what speaks to it is not installed.
    """
    if store == "sqlite":
        return None
    if settings.clickhouse is None:
        if store == "clickhouse":
            hint = "see [clickhouse_config] in moose.config.toml"
            raise NoClickHouse("the settings name no ClickHouse", hint=hint)
        return None
    from moose_lib.ingest.clickhouse import require_driver  # only where there is a ClickHouse

    require_driver(settings)
    return settings.clickhouse


@contextmanager
def reading_file(settings: Settings) -> Generator[sqlite3.Connection]:
    """The file, asked for what is nowhere else: where rows move on to ClickHouse, those that have not.

    Raises:
        StoreNotFound, StoreFailed: as `reading`.
    """
    with reading(settings.store_path) as connection:
        if settings.clickhouse is not None:
            hide_moved(connection)
        yield connection


def places(settings: Settings) -> tuple[Mapping[str, StoredTable], Mapping[str, Move]]:
    """The tables that the file knows, and how far each has moved; none without a file."""
    try:
        with reading(settings.store_path) as connection:
            return stored_tables(connection), read_moves(connection)
    except StoreNotFound:
        return {}, {}


def note_waiting(output: Output, settings: Settings, table: str | None = None) -> None:
    """Say how many rows have not moved yet, of one table or of all."""
    try:
        with reading(settings.store_path) as connection:
            moves = read_moves(connection)
            names = [name for name in stored_tables(connection) if table in (None, name)]
            counts = {
                name: waiting(connection, name, moves[name].position if name in moves else 0).count for name in names
            }
    except StoreNotFound:
        return
    late = {name: count for name, count in counts.items() if count}
    if late:
        rows = ", ".join(f"{count:,} of {name}" for name, count in late.items())
        output.note(f"rows that have not moved to ClickHouse yet: {rows} (--store sqlite asks for them)")
