"""Batches against a ClickHouse that does as it is told: what is sent again, and how refused rows are found."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from moose_lib import OlapConfig
from moose_lib.ingest.clickhouse.ddl import FoundTable, Place, wanted_table
from moose_lib.ingest.clickhouse.failures import ClickHouseFailed
from moose_lib.ingest.clickhouse.mover import Mover
from moose_lib.ingest.clickhouse.moving import pause_after
from moose_lib.ingest.moves import Move, read_moves, waiting
from moose_lib.ingest.querying import reading
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch
from moose_lib.observing.moving import MoveMetrics
from moose_lib.plan.endpoints import TablePlan
from moose_lib.project.clickhouse import ClickHouseSettings

REFUSED = {"code": 469, "name": "VIOLATED_CONSTRAINT"}
Answer = Callable[[list[int]], ClickHouseFailed | None]


class Row(BaseModel):
    number: int


PLAN = TablePlan(name="T", model=Row, config=OlapConfig())


class FakeServer:
    """Has the table, and answers inserts as a test says; keeps what each brought."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.inserts = list[tuple[list[int], str]]()
        self.taken = list[int]()

    async def find(self, place: Place) -> FoundTable:
        columns = wanted_table(PLAN, "db", {}).columns
        engine = {"engine": "MergeTree", "engine_full": "MergeTree SETTINGS non_replicated_deduplication_window = 1"}
        keys = {"sorting_key": "", "partition_key": "", "primary_key": "", "sampling_key": ""}
        return FoundTable(columns=columns, **engine, **keys)

    async def make_database(self, place: Place) -> None:
        raise AssertionError(place)

    async def execute(self, statement: str) -> None:
        raise AssertionError(statement)

    async def formatted(self, expression: str) -> str:
        return expression

    async def insert(self, place: Place, columns: list[str], body: bytes, token: str) -> None:
        numbers = [json.loads(line)["number"] for line in body.splitlines()]
        self.inserts.append((numbers, token))
        error = self.answer(numbers)
        if error is not None:
            raise error
        self.taken += numbers


class Run:
    """A store with rows and its mover."""

    def __init__(self, path: Path, server: FakeServer) -> None:
        self.path = path
        self.server = server

    @property
    def move(self) -> Move:
        with reading(self.path) as connection:
            return read_moves(connection)["T"]

    @property
    def state(self) -> str | None:
        """None before the first row is seen."""
        with reading(self.path) as connection:
            moves = read_moves(connection)
            return moves["T"].state if "T" in moves else None

    def is_empty(self) -> bool:
        with reading(self.path) as connection:
            moves = read_moves(connection)
            return "T" in moves and waiting(connection, "T", moves["T"].position).count == 0

    async def until(self, claim: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not claim():
            assert time.monotonic() < end
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(path: Path, answer: Answer, numbers: range, *, rows: int = 100_000) -> AsyncGenerator[Run]:
    settings = ClickHouseSettings(
        batch_rows=rows, batch_age=timedelta(milliseconds=5), longest_pause=timedelta(seconds=0.02)
    )
    server = FakeServer(answer)
    with SqliteStore(path, [PLAN]) as store:
        await store.put(Batch(endpoint="T", table="T", rows=[(number,) for number in numbers]))
        async with Mover(settings, store, path, [PLAN], [], MoveMetrics(), server=server):
            yield Run(path, server)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def refuse(*bad: int, says_row: bool = True) -> Answer:
    """As ClickHouse does: all of a batch, for the first bad row."""

    def answer(numbers: list[int]) -> ClickHouseFailed | None:
        places = [place for place, number in enumerate(numbers, 1) if number in bad]
        if not places:
            return None
        return ClickHouseFailed(f"bad {numbers[places[0] - 1]}", row=places[0] if says_row else None, **REFUSED)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of both types

    return answer


async def test_rows_go_in_their_order_in_batches(path: Path) -> None:
    async with running(path, refuse(), range(25), rows=10) as run:
        await run.until(run.is_empty)

    assert [numbers for numbers, _ in run.server.inserts] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 25)),
    ]
    assert len({token for _, token in run.server.inserts}) == 3


async def test_a_batch_that_failed_is_sent_again_with_the_same_rows_and_token(path: Path) -> None:
    """Also by the next process, and though more rows have come meanwhile."""
    async with running(path, lambda _: ClickHouseFailed("away", code=None, name=None), range(3)) as run:
        await run.until(lambda: len(run.server.inserts) > 3)
        first = run.server.inserts[0]
        assert run.server.inserts == [first] * len(run.server.inserts)
        assert (run.move.state, run.move.error, run.move.token) == ("retrying", "away", first[1])

    async with running(path, refuse(), range(3, 5)) as again:
        await again.until(again.is_empty)

    assert again.server.inserts[0] == first
    assert [numbers for numbers, _ in again.server.inserts] == [[0, 1, 2], [3, 4]]


async def test_a_table_that_is_not_right_blocks_until_it_is(path: Path) -> None:
    trouble = ClickHouseFailed("no such column", code=16, name="NO_SUCH_COLUMN_IN_TABLE", hint="moose-cli check")
    answers = iter([trouble, trouble])
    async with running(path, lambda _: next(answers, None), range(3)) as run:
        await run.until(lambda: len(run.server.inserts) == 2)
        await run.until(run.is_empty)

        assert len({token for _, token in run.server.inserts}) == 1
        await run.until(lambda: run.move.state == "moving")


@pytest.mark.parametrize("says_row", [True, False])
async def test_refused_rows_are_found_by_the_server_s_hint_or_by_halves(path: Path, says_row: bool) -> None:
    bad = (0, 41, 42, 99)
    async with running(path, refuse(*bad, says_row=says_row), range(100)) as run:
        await run.until(run.is_empty)

        assert run.server.taken == [number for number in range(100) if number not in bad]
        assert (run.move.moved, run.move.refused) == (96, 4)
        with reading(path) as connection:
            letters = connection.execute("SELECT record, error_message, queue FROM _moose_dead_letters").fetchall()
        assert letters == [(f'{{"number": {number}}}', f"bad {number}", "TDeadLetterQueue") for number in bad]


async def test_a_batch_that_was_refused_is_never_sent_again_under_its_token(path: Path) -> None:
    """The rows are others, and a server that remembers the token would drop them."""
    async with running(path, refuse(3), range(10)) as run:
        await run.until(run.is_empty)

    by_token = dict[str, list[int]]()
    for numbers, token in run.server.inserts:
        assert by_token.setdefault(token, numbers) == numbers


async def test_a_wrong_hint_of_the_server_leads_nowhere_else(path: Path) -> None:
    def answer(numbers: list[int]) -> ClickHouseFailed | None:
        return ClickHouseFailed("bad", row=10_000, **REFUSED) if 5 in numbers else None  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of both types

    async with running(path, answer, range(10)) as run:
        await run.until(run.is_empty)

        assert run.server.taken == [0, 1, 2, 3, 4, 6, 7, 8, 9]
        assert run.move.refused == 1


async def test_a_mistake_of_ours_leaves_the_rows_where_they_are(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([ZeroDivisionError("oops")])

    def answer(numbers: list[int]) -> None:
        for error in answers:
            raise error

    async with running(path, answer, range(3)) as run:
        await run.until(run.is_empty)

    assert run.server.taken == [0, 1, 2]
    assert "moving rows failed" in caplog.messages


async def test_an_insert_that_does_not_end_is_left_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows stay in the queue, and go again under their token."""
    monkeypatch.setattr("moose_lib.ingest.clickhouse.mover._GRACE_SECONDS", 0.01)
    begun = asyncio.Event()

    async def insert(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with running(path, refuse(), range(0)) as run:
        monkeypatch.setattr(run.server, "insert", insert)
        with SqliteStore(path, [PLAN]) as other:
            await other.put(Batch(endpoint="T", table="T", rows=[(1,)]))
        await asyncio.wait_for(begun.wait(), 20)

    assert run.move.token is not None
    assert not run.is_empty()


async def test_a_server_that_hangs_is_told_while_it_may_still_answer(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its request is not given up for that: what it takes in the end is taken once."""
    monkeypatch.setattr("moose_lib.ingest.clickhouse.mover._PATIENCE", timedelta(milliseconds=20))
    answered = asyncio.Event()
    async with running(path, refuse(), range(0)) as run:
        insert = run.server.insert

        async def hang(place: Place, columns: list[str], body: bytes, token: str) -> None:
            await answered.wait()
            await insert(place, columns, body, token)

        monkeypatch.setattr(run.server, "insert", hang)
        with SqliteStore(path, [PLAN]) as other:
            await other.put(Batch(endpoint="T", table="T", rows=[(1,)]))
        await run.until(lambda: run.state == "retrying")
        assert (run.move.error, run.move.hint) == ("ClickHouse has not answered for more than 20ms", None)

        answered.set()
        await run.until(lambda: run.move.state == "moving")
        assert run.is_empty()
    assert [numbers for numbers, _ in run.server.inserts] == [[1]]
    assert caplog.messages == [
        "the rows of T wait for ClickHouse: ClickHouse has not answered for more than 20ms",
        "ClickHouse takes the rows of T again",
    ]


def test_pauses_grow_up_to_the_longest() -> None:
    """Through hours of it, and different ones for different tables."""
    longest = timedelta(seconds=30)
    full = [pause_after(failures, longest, 1).total_seconds() for failures in range(1, 10)]

    assert full == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pause_after(100_000, longest, 1) == longest
    assert pause_after(100_000, longest, 0) == longest / 2
