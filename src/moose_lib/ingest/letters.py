"""Dead letters: the records that an endpoint refused, and storing those that fit by now.

A replay marks a letter and stores its record in one transaction, and only a letter that is not marked yet. So it may be
killed at any moment, or run twice at once, and each record is stored once. It may also run while the server writes:
SQLite lets one of them wait for the other. It never checkpoints, as the server does (SQLite's WAL-reset bug before
3.51.3).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from moose_lib.faults import FieldFault
from moose_lib.ingest.columns import Cell, RowMaker
from moose_lib.ingest.errors import StoreFailed, StoreNotFound, UnreadableBody, UnstorableRecord
from moose_lib.ingest.letterbox import SET_ASIDE
from moose_lib.ingest.reading import RecordReader
from moose_lib.ingest.schema import insert_statement, migrate, pending_changes, stamp
from moose_lib.plan.endpoints import Endpoint

#: Letters of one transaction.
_CHUNK: Final = 500
_BUSY_SECONDS: Final = 30.0
_REASONS_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A record that was refused: its own text, why and when, and when it was stored after all."""

    id: int
    endpoint: str
    queue: str
    record: str
    error_type: str
    error_message: str
    source: str
    failed_at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StillBad:
    """A letter that does not fit the model of now either, or perhaps not the table in ClickHouse, and why."""

    id: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a replay did, or would do: records `stored`, `elsewhere` by a replay at the same time, and still refused.

    `examples` are the first of those. `left` are letters that were set aside, and that it did not look at. Of what is
    stored, ClickHouse has refused `doubtful` records before, of which `doubts` are the first: they come back as letters
    unless its table is another one by now.
    """

    stored: int = 0
    elsewhere: int = 0
    still_bad: int = 0
    left: int = 0
    examples: tuple[StillBad, ...] = ()
    doubtful: int = 0
    doubts: tuple[StillBad, ...] = ()


def count_letters(connection: sqlite3.Connection, endpoint: str) -> tuple[int, int]:
    """How many letters of an endpoint wait, and how many were replayed."""
    if not _has_letters(connection):
        return 0, 0
    waiting, replayed = connection.execute(
        "SELECT count(*) FILTER (WHERE replayed_at IS NULL), count(replayed_at)"
        " FROM _moose_dead_letters WHERE endpoint = ?",
        (endpoint,),
    ).fetchone()
    return waiting, replayed


def known_endpoints(connection: sqlite3.Connection) -> list[str]:
    """The endpoints that have letters."""
    if not _has_letters(connection):
        return []
    return [row[0] for row in connection.execute("SELECT DISTINCT endpoint FROM _moose_dead_letters ORDER BY endpoint")]


def read_letters(
    connection: sqlite3.Connection,
    endpoint: str,
    *,
    since: datetime | None = None,
    limit: int | None = None,
    with_replayed: bool = False,
) -> Iterator[Letter]:
    """The letters of an endpoint, the latest first."""
    if not _has_letters(connection):
        return
    waiting = "" if with_replayed else " AND replayed_at IS NULL"
    rows = connection.execute(
        "SELECT id, endpoint, queue, record, error_type, error_message, source, failed_at, replayed_at"  # noqa: S608  # both parts are ours
        f" FROM _moose_dead_letters WHERE endpoint = ? AND failed_at >= ?{waiting} ORDER BY id DESC LIMIT ?",
        (endpoint, _stamp(since), -1 if limit is None else limit),
    )
    for number, its, queue, record, kind, message, source, failed, replayed in rows:
        yield Letter(
            id=number,
            endpoint=its,
            queue=queue,
            record=record,
            error_type=kind,
            error_message=message,
            source=source,
            failed_at=datetime.fromisoformat(failed),
            replayed_at=None if replayed is None else datetime.fromisoformat(replayed),
        )


def count_set_aside(connection: sqlite3.Connection, endpoint: str) -> int:
    """How many of the letters that wait were set aside: a replay leaves them unless it is asked for them."""
    if not _has_letters(connection):
        return 0
    (count,) = connection.execute(
        "SELECT count(*) FROM _moose_dead_letters WHERE endpoint = ? AND error_type = ? AND replayed_at IS NULL",
        (endpoint, SET_ASIDE),
    ).fetchone()
    return int(count)


def replay(
    path: Path,
    endpoint: Endpoint,
    *,
    since: datetime | None = None,
    limit: int | None = None,
    with_set_aside: bool = False,
    is_dry: bool = False,
) -> Replayed:
    """Store the records that fit the model of now; with `is_dry` only count them.

    Those that were set aside are left, as the table has what they would repeat; `with_set_aside` stores them, too.

    Raises:
        StoreNotFound: there is no store.
        StoreFailed: it cannot be written; what was stored until then stays stored.
        LossyMigration: the table holds rows of another shape than the model of now.
    """
    with _writing(path) as connection:
        if is_dry:
            pending_changes(connection, endpoint.table)  # refuses what `migrate` would refuse
        else:
            migrate(connection, [endpoint.table])
        done = Replayed()
        left_out = "" if with_set_aside else SET_ASIDE
        for letters in _chunks(connection, endpoint.key, since, limit, left_out):
            done = _added(done, _replay(connection, endpoint, letters, is_dry=is_dry))
        return done if with_set_aside else replace(done, left=count_set_aside(connection, endpoint.key))


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """What a replay looks at; `doubt` is why the table in ClickHouse did not take it."""

    id: int
    record: str
    doubt: str | None


def _replay(
    connection: sqlite3.Connection, endpoint: Endpoint, letters: Sequence[_Candidate], *, is_dry: bool
) -> Replayed:
    judge = Judge(RecordReader(endpoint.model, is_strict=endpoint.is_strict), RowMaker(endpoint.table.model))
    good, bad, doubts = list[tuple[int, tuple[Cell, ...]]](), list[StillBad](), list[StillBad]()
    for letter in letters:
        verdict = judge.row(letter.record)
        if isinstance(verdict, str):
            bad.append(StillBad(id=letter.id, reason=verdict))
            continue
        good.append((letter.id, verdict))
        if letter.doubt is not None:
            doubts.append(StillBad(id=letter.id, reason=letter.doubt))
    stored = len(good) if is_dry else _store(connection, endpoint, good)
    return Replayed(
        stored=stored,
        elsewhere=len(good) - stored,
        still_bad=len(bad),
        examples=tuple(bad),
        doubtful=len(doubts),
        doubts=tuple(doubts),
    )


def _store(connection: sqlite3.Connection, endpoint: Endpoint, good: Sequence[tuple[int, tuple[Cell, ...]]]) -> int:
    """Mark letters and store their rows, those that nobody has marked; returns how many."""
    now = _stamp(datetime.now(UTC))
    insert = insert_statement(endpoint.table)
    stored = 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, row in good:
            marked = connection.execute(
                "UPDATE _moose_dead_letters SET replayed_at = ? WHERE id = ? AND replayed_at IS NULL", (now, number)
            )
            if marked.rowcount == 1:
                connection.execute(insert, (*row, now))
                stored += 1
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return stored


class Judge:
    """Says of a letter's text: the row of its record, or why it is none."""

    def __init__(self, reader: RecordReader, rows: RowMaker) -> None:
        self._reader = reader
        self._rows = rows

    def row(self, text: str) -> tuple[Cell, ...] | str:
        """The row, or the reason."""
        try:
            records = self._reader.read(text.encode())
            if records.is_array:
                return "is no object"
            if records.refused:
                return _reason(records.refused[0].faults)
            return self._rows.row(records.accepted[0])
        except (UnreadableBody, UnstorableRecord) as error:
            return error.message


def _reason(faults: Sequence[FieldFault]) -> str:
    return "; ".join(map(str, faults))


def _chunks(
    connection: sqlite3.Connection, endpoint: str, since: datetime | None, limit: int | None, left_out: str
) -> Iterator[list[_Candidate]]:
    """The letters that wait now, oldest first, but for one type; those that come meanwhile are for the next replay."""
    if not _has_letters(connection):
        return
    (last,) = connection.execute("SELECT max(id) FROM _moose_dead_letters").fetchone()
    position, left = 0, limit
    while left is None or left > 0:
        found = connection.execute(
            "SELECT id, record, CASE source WHEN 'table' THEN error_message END FROM _moose_dead_letters"
            " WHERE endpoint = ? AND replayed_at IS NULL AND failed_at >= ?"
            " AND error_type <> ? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (endpoint, _stamp(since), left_out, position, last, _CHUNK if left is None else min(left, _CHUNK)),
        ).fetchall()
        if not found:
            return
        yield [_Candidate(id=number, record=record, doubt=doubt) for number, record, doubt in found]
        position = found[-1][0]
        left = None if left is None else left - len(found)


def _added(one: Replayed, other: Replayed) -> Replayed:
    return Replayed(
        stored=one.stored + other.stored,
        elsewhere=one.elsewhere + other.elsewhere,
        still_bad=one.still_bad + other.still_bad,
        examples=(*one.examples, *other.examples)[:_REASONS_SHOWN],
        doubtful=one.doubtful + other.doubtful,
        doubts=(*one.doubts, *other.doubts)[:_REASONS_SHOWN],
    )


@contextmanager
def _writing(path: Path) -> Generator[sqlite3.Connection]:
    """A second connection that writes, beside the server's, and never checkpoints."""
    if not path.exists():
        raise StoreNotFound(path)
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise StoreFailed(f"{path} cannot be opened: {error}") from error
    try:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA synchronous=FULL")
        yield connection
    except sqlite3.Error as error:
        raise StoreFailed(f"{path} cannot be written: {error}") from error
    finally:
        connection.close()


def _has_letters(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE name = '_moose_dead_letters'"
    return connection.execute(query).fetchone() is not None


def _stamp(moment: datetime | None) -> str:
    """A moment as the store has it; `None` is before all."""
    return "" if moment is None else stamp(moment)
