"""The SQLite store: what was answered is there, once, and models may change where nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib.dmv2.olap import OlapConfig
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.errors import KeyReused, LossyMigration, PlaceTaken, StoreBusy, StoreFailed
from moose_lib.ingest.ledger import Ledger
from moose_lib.ingest.querying import reading
from moose_lib.ingest.schema import pending_changes
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch, Idempotency, Receipt, RejectedRecord
from moose_lib.plan.endpoints import TablePlan


class Click(BaseModel):
    user: str
    count: int = 1


TABLE = TablePlan(name="Clicks", model=Click, config=OlapConfig(order_by_fields=["user"]))
KEY = Idempotency(key="k1", digest=b"1")
FIRST = Idempotency(key="a1", digest=b"1", place="task t, request 1")
#: What another attempt sends in place of `FIRST`.
AGAIN = Idempotency(key="a2", digest=b"2", place="task t, request 1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path, [TABLE]) as store:
        yield store


def batch(*users: str, size: int = 10, **more: Any) -> Batch:
    rows = [RowMaker(Click).row(Click(user=user)) for user in users]
    return Batch(endpoint="Clicks", table="Clicks", rows=rows, size=size, **more)


def read(path: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_what_is_answered_can_be_read(store: SqliteStore, path: Path) -> None:
    assert await store.put(batch("a", "b")) == Receipt(stored=2, rejected=0)

    assert read(path, "SELECT user, count FROM Clicks ORDER BY _id") == [("a", 1), ("b", 1)]
    assert read(path, "PRAGMA journal_mode") == [("wal",)]
    assert ("Clicks_order_user",) in read(path, "SELECT name FROM sqlite_master WHERE type = 'index'")


async def test_refused_records_go_to_their_queue(store: SqliteStore, path: Path) -> None:
    refused = RejectedRecord(text='{"count": 1}', error_type="ValidationError", message="user: is missing")

    receipt = await store.put(batch("a", rejected=[refused], queue="ClicksDeadLetterQueue"))

    assert receipt == Receipt(stored=1, rejected=1)
    found = read(path, "SELECT queue, record, error_message, source FROM _moose_dead_letters")
    assert found == [("ClicksDeadLetterQueue", '{"count": 1}', "user: is missing", "api")]


async def test_without_a_queue_refused_records_are_only_counted(store: SqliteStore, path: Path) -> None:
    refused = RejectedRecord(text="{}", error_type="ValidationError", message="bad")

    assert await store.put(batch("a", rejected=[refused])) == Receipt(stored=1, rejected=1)
    assert read(path, "SELECT count(*) FROM _moose_dead_letters") == [(0,)]


async def test_the_same_key_stores_once_and_answers_the_same(store: SqliteStore, path: Path) -> None:
    first = await store.put(batch("a", "b", idempotency=KEY))
    second = await store.put(batch("a", "b", idempotency=KEY))

    assert second == replace(first, is_repeat=True)
    assert read(path, "SELECT count(*) FROM Clicks") == [(2,)]
    with pytest.raises(KeyReused, match="'k1' was used for another body"):
        await store.put(batch("c", idempotency=replace(KEY, digest=b"2")))


async def test_what_comes_to_a_place_that_is_taken_is_set_aside(store: SqliteStore, path: Path) -> None:
    """In the letters, with where it came from; asked again, it is answered the same."""
    refused = RejectedRecord(text="{}", error_type="ValidationError", message="bad")
    await store.put(batch("a", "b", idempotency=FIRST))
    more: dict[str, Any] = {"idempotency": AGAIN, "queue": "q", "rejected": [refused], "texts": lambda: ["1", "2", "3"]}

    answers = [await store.put(batch("c", "d", "e", **more)) for _ in range(2)]
    other = await store.put(batch("f", idempotency=replace(AGAIN, key="a3", place="task t, request 2")))

    assert answers == [Receipt(stored=2, rejected=1, is_repeat=True, set_aside=3)] * 2
    assert other == Receipt(stored=1, rejected=0)
    assert read(path, "SELECT user FROM Clicks ORDER BY _id") == [("a",), ("b",), ("f",)]
    assert read(path, "SELECT record, error_type, error_message FROM _moose_dead_letters") == [
        ("{}", "ValidationError", "bad"),
        *((text, "SetAside", "set aside, as an earlier attempt has sent others: task t, request 1") for text in "123"),
    ]


def test_who_has_a_place_is_looked_up_once(store: SqliteStore, path: Path) -> None:
    """It is asked for every request of every task."""
    done = list[str]()
    kept = Receipt(stored=1, rejected=0)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.set_trace_callback(done.append)
        assert Ledger(connection, "now").once(batch("a", idempotency=FIRST), lambda: kept, list[Any]().extend) == kept

    assert [it.partition(" ")[0] for it in done] == ["SELECT", "SELECT", "BEGIN", "INSERT"]


async def test_a_request_of_bad_records_alone_takes_no_place(store: SqliteStore, path: Path) -> None:
    """Whether it comes first, as to a server with an older model, or later."""
    refused = RejectedRecord(text="{}", error_type="ValidationError", message="bad")
    bad = batch(idempotency=FIRST, queue="q", rejected=[refused])

    first = await store.put(bad)
    second = await store.put(batch("a", idempotency=AGAIN))
    third = await store.put(replace(bad, idempotency=replace(FIRST, key="a3")))

    assert (first, second) == (Receipt(stored=0, rejected=1), Receipt(stored=1, rejected=0))
    assert third == Receipt(stored=0, rejected=1)
    assert read(path, "SELECT key FROM _moose_idempotency WHERE place IS NOT NULL") == [("a2",)]


async def test_a_place_is_one_of_its_endpoint(store: SqliteStore, path: Path) -> None:
    await store.put(batch("a", idempotency=FIRST))

    assert await store.put(replace(batch("b", idempotency=AGAIN), endpoint="Clicks/2")) == Receipt(stored=1, rejected=0)


async def test_without_dead_letters_there_is_nowhere_to_set_aside(store: SqliteStore, path: Path) -> None:
    await store.put(batch("a", idempotency=FIRST))

    with pytest.raises(PlaceTaken, match="an earlier attempt has sent other records: task t, request 1"):
        await store.put(batch("b", idempotency=AGAIN))
    assert read(path, "SELECT user FROM Clicks") == [("a",)]


def row_of(text: str) -> tuple[Any, ...] | str:
    """Texts are users here; "bad" does not fit any more."""
    return "does not fit" if text == "bad" else RowMaker(Click).row(Click(user=text))


class Attempt:
    """Sends users to places; what it sends is named by that alone, and so is each request by its content."""

    def __init__(self, store: SqliteStore, name: str) -> None:
        self._store = store
        self._name = name

    async def send(self, place: int, *users: str) -> Receipt:
        text = ",".join(users)
        name = Idempotency(key=text, digest=text.encode(), place=f"request {place}", attempt=self._name)
        return await self._store.put(batch(*users, idempotency=name, queue="q", texts=lambda: users, row_of=row_of))


async def test_an_attempt_in_another_order_stores_what_is_new(store: SqliteStore, path: Path) -> None:
    """What it sends before it sends what has the place is set aside, and stored when that has come."""
    first = Attempt(store, "1")
    await first.send(1, "a")
    await first.send(2, "b")

    second = Attempt(store, "2")
    assert await second.send(1, "c", "d") == Receipt(stored=1, rejected=0, is_repeat=True, set_aside=2)
    assert await second.send(2, "a") == Receipt(stored=1, rejected=0, is_repeat=True, released=2, released_requests=1)
    assert await second.send(3, "b") == Receipt(stored=1, rejected=0, is_repeat=True)
    assert await second.send(2, "e") == Receipt(stored=1, rejected=0)  # b, which has the place, has come before
    assert await Attempt(store, "3").send(1, "c", "d") == Receipt(stored=2, rejected=0, is_repeat=True)

    assert [user for (user,) in read(path, "SELECT user FROM Clicks ORDER BY user")] == ["a", "b", "c", "d", "e"]
    assert read(path, "SELECT count(*) FROM _moose_dead_letters WHERE replayed_at IS NULL") == [(0,)]


async def test_what_an_attempt_does_not_send_again_was_told_differently(store: SqliteStore, path: Path) -> None:
    """It stays set aside, though another attempt sends the first again."""
    await Attempt(store, "1").send(1, "09:00")
    await Attempt(store, "2").send(1, "09:05")

    assert await Attempt(store, "3").send(1, "09:00") == Receipt(stored=1, rejected=0, is_repeat=True)

    assert read(path, "SELECT user FROM Clicks") == [("09:00",)]


async def test_what_was_set_aside_may_come_again_after_what_has_its_place(store: SqliteStore, path: Path) -> None:
    await Attempt(store, "1").send(1, "a")
    await Attempt(store, "2").send(1, "b")

    third = Attempt(store, "3")
    await third.send(2, "a")
    assert await third.send(1, "b") == Receipt(stored=1, rejected=0, is_repeat=True)

    assert read(path, "SELECT user FROM Clicks") == [("a",), ("b",)]


async def test_what_was_replayed_meanwhile_or_does_not_fit_is_not_stored(store: SqliteStore, path: Path) -> None:
    await Attempt(store, "1").send(1, "a")
    second = Attempt(store, "2")
    await store.put(  # as it was before the model changed
        batch(
            "b",
            "c",
            "d",
            idempotency=Idempotency(key="k", digest=b"", place="request 1", attempt="2"),
            queue="q",
            texts=lambda: ["b", "bad", "d"],
        )
    )
    await store.run(lambda it: it.execute("UPDATE _moose_dead_letters SET replayed_at = '2026' WHERE record = 'b'"))

    assert (await second.send(2, "a")).released == 1

    assert read(path, "SELECT user FROM Clicks") == [("a",), ("d",)]
    assert read(path, "SELECT record FROM _moose_dead_letters WHERE replayed_at IS NULL") == [("bad",)]
    assert read(path, "SELECT stored, set_aside FROM _moose_idempotency WHERE key = 'k'") == [(2, 1)]


async def test_a_file_from_before_there_were_places_gets_them(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE _moose_idempotency (endpoint TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, "
            "stored INTEGER NOT NULL, rejected INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (endpoint, key)) "
            "STRICT, WITHOUT ROWID; INSERT INTO _moose_idempotency VALUES ('Clicks', 'k1', x'31', 7, 0, '9999')"
        )

    with SqliteStore(path, [TABLE]) as store:
        assert await store.put(batch("a", idempotency=KEY)) == Receipt(stored=7, rejected=0, is_repeat=True)
        await store.put(batch("a", idempotency=FIRST))
        again = await store.put(batch("b", idempotency=AGAIN, queue="q", texts=lambda: ["b"]))

    assert again.set_aside == 1


async def test_keys_survive_a_restart(path: Path) -> None:
    for expected in (False, True):
        with SqliteStore(path, [TABLE]) as store:
            assert (await store.put(batch("a", idempotency=KEY))).is_repeat is expected


async def test_many_at_once_are_all_kept(store: SqliteStore, path: Path) -> None:
    await asyncio.gather(*(store.put(batch(f"u{number}")) for number in range(500)))

    assert read(path, "SELECT count(DISTINCT user), count(*) FROM Clicks") == [(500, 500)]
    assert store.waiting == 0


async def test_refused_records_fill_a_commit_as_rows_do(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the next request, or a look at its health, waits for all of them."""
    monkeypatch.setattr("moose_lib.ingest.sqlite._GROUP_ROWS", 2)
    refused = [RejectedRecord(text="{}", error_type="ValidationError", message="user: is missing")] * 2
    begun, release, statements = threading.Event(), threading.Event(), list[str]()

    def hold(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        begun.set()
        release.wait(30)

    holding = asyncio.create_task(store.run(hold))
    await asyncio.to_thread(begun.wait, 30)
    puts = [store.put(batch(rejected=refused, queue="ClicksDeadLetterQueue")) for _ in range(2)]
    waiting = asyncio.gather(*puts)
    while store.waiting < 20:  # noqa: ASYNC110  # both are in the queue then
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(holding, waiting)

    assert statements.count("COMMIT") == 3


async def test_a_batch_that_fails_takes_no_other_with_it(store: SqliteStore, path: Path) -> None:
    bad = replace(batch("x"), rows=[("x", "not a number")])

    outcomes = await asyncio.gather(
        store.put(batch("a")), store.put(bad), store.put(batch("b")), return_exceptions=True
    )

    assert isinstance(outcomes[1], StoreFailed)
    assert read(path, "SELECT user FROM Clicks ORDER BY user") == [("a",), ("b",)]


async def test_a_full_queue_refuses_instead_of_growing(path: Path) -> None:
    """The writer is held back by another connection's write lock."""
    with SqliteStore(path, [TABLE], limit=25) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.ensure_future(store.put(batch(user))) for user in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(StoreBusy) as caught:
            await store.put(batch("c"))
        other.execute("ROLLBACK")
        other.close()
        assert caught.value.retry_after == timedelta(seconds=1)
        assert [receipt.stored for receipt in await asyncio.gather(*waiting)] == [1, 1]


async def test_closing_writes_what_still_waits(path: Path) -> None:
    with SqliteStore(path, [TABLE]) as store:
        waiting = [asyncio.ensure_future(store.put(batch(f"u{number}"))) for number in range(100)]
        await asyncio.sleep(0)

    assert sum(receipt.stored for receipt in await asyncio.gather(*waiting)) == 100
    assert not [thread for thread in threading.enumerate() if thread.name == "moose-store"]


def migrated(path: Path, model: type[BaseModel]) -> list[str]:
    with SqliteStore(path, [replace(TABLE, model=model)]) as store:
        return list(store.migrated)


async def test_a_new_field_works_on_existing_rows(path: Path) -> None:
    class Wider(Click):
        source: str = "web"

    with SqliteStore(path, [TABLE]) as store:
        await store.put(batch("a"))

    assert migrated(path, Wider) == ["table Clicks: column source added"]
    assert read(path, "SELECT user, source FROM Clicks") == [("a", None)]
    assert migrated(path, Wider) == []


async def test_a_field_that_is_gone_keeps_its_column(path: Path) -> None:
    class Narrow(BaseModel):
        user: str

    with SqliteStore(path, [TABLE]) as store:
        await store.put(batch("a"))
    assert migrated(path, Narrow) == []
    with SqliteStore(path, [replace(TABLE, model=Narrow)]) as store:
        await store.put(replace(batch(), rows=[("b",)]))

    assert read(path, "SELECT user, count FROM Clicks ORDER BY _id") == [("a", 1), ("b", None)]
    assert migrated(path, Click) == []


async def test_a_change_that_would_lose_data_is_refused_with_the_difference(path: Path) -> None:
    class Other(BaseModel):
        user: int
        count: int = 1

    with SqliteStore(path, [TABLE]) as store:
        await store.put(batch("a"))

    with pytest.raises(LossyMigration, match="table 'Clicks' holds rows of another shape: user is integer, was text"):
        migrated(path, Other)
    assert migrated(path, Click) == []


async def test_a_field_or_table_that_changes_only_its_case_is_refused_before_anything_starts(path: Path) -> None:
    """SQLite takes the two for the same; `moose-cli check` says it, too."""

    class Cased(BaseModel):
        User: str
        count: int = 1

    fields, name = replace(TABLE, model=Cased), replace(TABLE, name="clicks")
    with SqliteStore(path, [TABLE]) as store:
        await store.put(batch("a"))

    for table, text in ((fields, "'Clicks' .*: User was user"), (name, "'clicks' .*: its name was Clicks")):
        with pytest.raises(LossyMigration, match=text), SqliteStore(path, [table]):
            pass
        with reading(path) as connection, pytest.raises(LossyMigration, match=text):
            pending_changes(connection, table)
    assert migrated(path, Click) == []


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at as one" * 20])
def test_a_file_that_is_no_database_is_told(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(StoreFailed, match=r"store\.db cannot be"):
        migrated(path, Click)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(StoreFailed, match="cannot be opened"):
        SqliteStore(tmp_path / "state" / "store.db", [TABLE])
