"""Replaying dead letters: each repaired record once, whatever else happens at the same time."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib.dmv2.olap import OlapConfig
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.errors import LossyMigration, StoreFailed, StoreNotFound
from moose_lib.ingest.letterbox import SET_ASIDE
from moose_lib.ingest.letters import Replayed, StillBad, read_letters, replay
from moose_lib.ingest.querying import reading
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch, RejectedRecord
from moose_lib.plan.endpoints import Endpoint, TablePlan


class Click(BaseModel):
    number: int


TABLE = TablePlan(name="Clicks", model=Click, config=OlapConfig())
CLICKS = Endpoint(
    name="Clicks",
    version=None,
    path="ingest/Clicks",
    model=Click,
    table=TABLE,
    has_dead_letters=True,
    is_strict=None,
    is_open=False,
)
CHILD = """
import sys
from pathlib import Path
from tests.unit.ingest.test_letters import CLICKS
from moose_lib.ingest.letters import replay
print("begin", flush=True)
replay(Path(sys.argv[1]), CLICKS)
"""


def batch(*numbers: int, bad: Sequence[str] = ()) -> Batch:
    return Batch(
        endpoint="Clicks",
        table="Clicks",
        rows=[RowMaker(Click).row(Click(number=number)) for number in numbers],
        rejected=[RejectedRecord(text=it, error_type="ValidationError", message="bad") for it in bad],
        queue="ClicksDeadLetterQueue",
    )


def ask(path: Path, query: str) -> list[Any]:
    with reading(path) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def fill(path: Path, bad: Sequence[str]) -> None:
    with SqliteStore(path, [TABLE]) as store:
        await store.put(batch(bad=bad))


async def test_two_replays_and_a_server_at_the_same_time_store_each_record_once(path: Path) -> None:
    await fill(path, [f'{{"number": {number}}}' for number in range(3000)])

    with SqliteStore(path, [TABLE]) as store, ThreadPoolExecutor() as threads:
        replays = [threads.submit(replay, path, CLICKS) for _ in range(2)]
        while not all(it.done() for it in replays):
            await store.put(batch(-1))
            await asyncio.sleep(0)

    one, other = (it.result() for it in replays)
    assert one.stored + other.stored == 3000
    assert ask(path, "SELECT count(*), count(DISTINCT number) FROM Clicks WHERE number >= 0") == [(3000, 3000)]
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_replay_that_is_killed_has_stored_what_it_has_marked(path: Path) -> None:
    asyncio.run(fill(path, [f'{{"number": {number}}}' for number in range(5000)]))
    root = Path(__file__).parents[3]

    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=root, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    while child.poll() is None and not ask(path, "SELECT count(*) FROM Clicks")[0][0]:
        pass
    child.send_signal(signal.SIGKILL)
    child.communicate()
    marked = ask(path, "SELECT count(*) FROM _moose_dead_letters WHERE replayed_at IS NOT NULL")[0][0]
    there = ask(path, "SELECT count(*) FROM Clicks")[0][0]
    rest = replay(path, CLICKS)

    assert marked == there > 0
    assert rest == Replayed(stored=5000 - there)
    assert ask(path, "SELECT count(*), count(DISTINCT number) FROM Clicks") == [(5000, 5000)]


async def test_the_oldest_are_replayed_first_and_only_as_many_as_asked_for(path: Path) -> None:
    await fill(path, ['{"number": 1}', '{"number": "x"}', '{"number": 3}'])

    assert replay(path, CLICKS, limit=2) == Replayed(
        stored=1,
        still_bad=1,
        examples=(
            StillBad(
                id=2, reason="number: input should be a valid integer, unable to parse string as an integer, got 'x'"
            ),
        ),
    )
    assert ask(path, "SELECT number FROM Clicks") == [(1,)]


async def test_what_was_set_aside_is_only_stored_for_who_asks_for_it(path: Path) -> None:
    with SqliteStore(path, [TABLE]) as store:
        letters = [
            RejectedRecord(text='{"number": 1}', error_type="ValidationError", message="bad"),
            RejectedRecord(text='{"number": 2}', error_type=SET_ASIDE, message="set aside"),
        ]
        await store.put(replace(batch(), rejected=letters))

    assert replay(path, CLICKS, is_dry=True) == Replayed(stored=1, left=1)
    assert replay(path, CLICKS) == Replayed(stored=1, left=1)
    assert replay(path, CLICKS, with_set_aside=True) == Replayed(stored=1)
    assert replay(path, CLICKS) == Replayed()
    assert ask(path, "SELECT number FROM Clicks ORDER BY _id") == [(1,), (2,)]


async def test_letters_from_before_are_left_out(path: Path) -> None:
    await fill(path, ['{"number": 1}'])
    later = datetime.now(UTC) + timedelta(hours=1)

    assert replay(path, CLICKS, since=later) == Replayed()
    with reading(path) as connection:
        assert list(read_letters(connection, "Clicks", since=later)) == []
        (letter,) = read_letters(connection, "Clicks", since=datetime.now(UTC) - timedelta(hours=1))
    assert (letter.record, letter.replayed_at) == ('{"number": 1}', None)


@pytest.mark.parametrize("is_dry", [True, False])
async def test_a_replay_that_would_lose_rows_is_refused(path: Path, is_dry: bool) -> None:
    """Also where it is only asked what it would do."""

    class Changed(BaseModel):
        number: str

    await fill(path, ['{"number": "x"}'])
    table = TablePlan(name="Clicks", model=Changed, config=OlapConfig())
    changed = dataclasses.replace(CLICKS, model=Changed, table=table)

    with pytest.raises(LossyMigration, match="table 'Clicks' holds rows of another shape: number is text, was integer"):
        replay(path, changed, is_dry=is_dry)

    assert ask(path, "SELECT replayed_at FROM _moose_dead_letters") == [(None,)]


def test_a_file_that_is_no_store(path: Path) -> None:
    with pytest.raises(StoreNotFound):
        replay(path, CLICKS)
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreFailed, match="cannot be written: file is not a database"):
        replay(path, CLICKS)
    with pytest.raises(StoreFailed, match="cannot be read: file is not a database"):
        ask(path, "SELECT 1 FROM sqlite_master")


def test_a_database_of_something_else_has_no_letters(path: Path) -> None:
    sqlite3.connect(path).execute("CREATE TABLE x (y)").connection.close()

    with reading(path) as connection:
        assert list(read_letters(connection, "Clicks")) == []
    assert replay(path, CLICKS, is_dry=True) == Replayed()
