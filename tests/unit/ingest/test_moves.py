"""What is kept about rows on their way, and that their numbers are never given to others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from moose_lib import OlapConfig
from moose_lib.ingest import moves
from moose_lib.ingest.errors import StoreFailed
from moose_lib.ingest.letterbox import Letters
from moose_lib.ingest.moves import Move, Waiting
from moose_lib.ingest.querying import reading
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch, RejectedRecord
from moose_lib.plan.endpoints import TablePlan

NONE = Letters(endpoint="T", queue="q", records=[])


class Row(BaseModel):
    number: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path, [TablePlan(name="T", model=Row, config=OlapConfig())]) as store:
        yield store


async def put(store: SqliteStore, *numbers: int) -> None:
    await store.put(Batch(endpoint="T", table="T", rows=[(number,) for number in numbers]))


def read(path: Path) -> Move:
    with reading(path) as connection:
        return moves.read_moves(connection)["T"]


def late(path: Path, position: int) -> Waiting:
    with reading(path) as connection:
        return moves.waiting(connection, "T", position)


def numbers(path: Path) -> list[tuple[int, int]]:
    with reading(path) as connection:
        return connection.execute("SELECT _id, number FROM T ORDER BY _id").fetchall()


def test_a_file_that_never_had_a_mover_has_no_moves(store: SqliteStore, path: Path) -> None:
    with reading(path) as connection:
        assert moves.read_moves(connection) == {}


async def test_a_batch_is_named_before_it_is_sent_and_forgotten_after(store: SqliteStore, path: Path) -> None:
    await put(store, 1, 2, 3)
    await store.run(moves.prepare("T", "db.T"))
    await store.run(moves.begin("T", 2, "token"))
    assert (read(path).position, read(path).last, read(path).token) == (0, 2, "token")

    await store.run(moves.prepare("T", "other.T"))
    assert (read(path).token, read(path).place) == ("token", "other.T")

    await store.run(moves.settle("T", 2, moved=2, letters=NONE))
    found = read(path)
    assert (found.position, found.last, found.token, found.moved, found.refused) == (2, None, None, 2, 0)
    assert found.moved_at is not None


async def test_letters_and_the_position_are_one(store: SqliteStore, path: Path) -> None:
    await put(store, 1)
    await store.run(moves.prepare("T", "db.T"))
    refused = RejectedRecord(text="{}", error_type="E", message="m", source="table")
    await store.run(moves.settle("T", 1, moved=0, letters=Letters(endpoint="T", queue="q", records=[refused])))

    assert (read(path).position, read(path).refused) == (1, 1)
    with reading(path) as connection:
        columns = "queue, endpoint, record, error_type, error_message, source"
        assert connection.execute(f"SELECT {columns} FROM _moose_dead_letters").fetchall() == [
            ("q", "T", "{}", "E", "m", "table")
        ]


async def test_the_last_row_stays_so_that_its_number_does(store: SqliteStore, path: Path) -> None:
    await put(store, 1, 2, 3)
    deleted = list[int]()
    await store.run(moves.forget("T", 3, deleted))
    assert (deleted, numbers(path)) == ([2], [(3, 3)])

    await put(store, 4)
    await store.run(moves.forget("T", 3, deleted))
    assert (deleted, numbers(path)) == ([2, 1], [(4, 4)])


async def test_many_rows_are_deleted_in_bites(store: SqliteStore, path: Path) -> None:
    """Whoever sends records waits for each of them, and not for all."""
    await put(store, *range(12_000))
    deleted = list[int]()
    for _ in range(3):
        await store.run(moves.forget("T", 12_000, deleted))

    assert deleted == [5000, 5000, 1999]


async def test_waiting_rows_are_those_behind_the_position(store: SqliteStore, path: Path) -> None:
    assert (late(path, 0).count, late(path, 0).oldest) == (0, None)
    assert late(path, 0).age.total_seconds() == 0
    await put(store, 1, 2, 3)

    assert late(path, 1).count == 2
    assert late(path, 1).oldest is not None
    assert late(path, 3) == Waiting(count=0, oldest=None)


async def test_the_time_of_a_state_is_when_it_began(store: SqliteStore, path: Path) -> None:
    await store.run(moves.prepare("T", "db.T"))
    await store.run(moves.note("T", "retrying", "a", None))
    first = read(path)
    await store.run(moves.note("T", "retrying", "b", "do it"))
    second = read(path)
    await store.run(moves.note("T", "moving", None, None))

    assert second.since == first.since
    assert (second.error, second.hint) == ("b", "do it")
    assert read(path).since > first.since


async def test_work_that_fails_takes_nothing_with_it(store: SqliteStore, path: Path) -> None:
    await store.run(moves.prepare("T", "db.T"))
    await put(store, 1)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO T (_id, _ingested_at) VALUES (2, '')")
        connection.execute("INSERT INTO T (_id, _ingested_at) VALUES (1, '')")

    with pytest.raises(StoreFailed):
        await store.run(fail)

    assert numbers(path) == [(1, 1)]
