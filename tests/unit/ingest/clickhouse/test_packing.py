"""The next rows of a table as one body."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator

import pytest
from pydantic import BaseModel

from moose_lib import OlapConfig
from moose_lib.ingest.clickhouse.ddl import FoundTable, wanted_table
from moose_lib.ingest.clickhouse.packing import Packer
from moose_lib.ingest.columns import Kind, RowMaker
from moose_lib.ingest.schema import insert_statement, migrate
from moose_lib.plan.endpoints import TablePlan

ALL = 1_000_000


class Note(BaseModel):
    text: str
    raw: bytes = b""
    pages: int | None = None


def plan(config: OlapConfig | None = None) -> TablePlan:
    return TablePlan(name="Notes", model=Note, config=config or OlapConfig())


def packer(config: OlapConfig | None = None, **types: str) -> Packer:
    kinds = {"text": Kind.TEXT, "raw": Kind.BYTES, "pages": Kind.INTEGER}
    wanted = wanted_table(plan(config), "db", kinds)
    columns = types or dict(wanted.columns)
    found = FoundTable(
        columns=columns,
        engine="MergeTree",
        engine_full="",
        sorting_key="",
        partition_key="",
        primary_key="",
        sampling_key="",
    )
    return Packer(plan(config), kinds, wanted, found)


@pytest.fixture
def connection() -> Generator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, [plan()])
    for note in [Note(text="a"), Note(text="é\n", raw=b"\xff\x00"), Note(text="x" * 1000, pages=3)]:
        connection.execute(insert_statement(plan()), (*RowMaker(Note).row(note), "2026-01-01T00:00:00.000000Z"))
    yield connection
    connection.close()


def test_each_row_is_a_line_of_json_with_bytes_as_they_are(connection: sqlite3.Connection) -> None:
    packed = packer().pack(connection, 0, last=None, rows=2, size=ALL)

    assert packed is not None
    assert (packed.last, list(packed.ids), list(packed.unfit)) == (2, [1, 2], [])
    first, second = packed.body.split(b"\n")
    assert json.loads(first) == {
        "text": "a",
        "raw": "",
        "pages": None,
        "_id": 1,
        "_ingested_at": "2026-01-01T00:00:00.000000Z",
    }
    assert b'"text":"\xc3\xa9\\n","raw":"\xff\\u0000"' in second


def test_a_batch_ends_with_the_row_that_fills_it(connection: sqlite3.Connection) -> None:
    """Rows may be megabytes; those of a batch are in memory."""
    packed = packer().pack(connection, 0, last=None, rows=100, size=1)

    assert packed is not None
    assert packed.last == 1


def test_what_was_begun_is_packed_again_whole(connection: sqlite3.Connection) -> None:
    packed = packer().pack(connection, 1, last=3, rows=1, size=1)

    assert packed is not None
    assert (packed.last, list(packed.ids)) == (3, [2, 3])


def test_behind_the_last_row_there_is_nothing(connection: sqlite3.Connection) -> None:
    assert packer().pack(connection, 3, last=None, rows=1, size=ALL) is None


def test_rows_that_the_column_would_change_are_left_out_with_their_record(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO Notes (text, pages, _ingested_at) VALUES ('b', 300, '2026-01-01T00:00:00.000000Z')")

    packed = packer(text="String", pages="Nullable(UInt8)").pack(connection, 2, last=None, rows=9, size=ALL)

    assert packed is not None
    assert (packed.last, list(packed.ids)) == (4, [3])
    [refused] = packed.unfit
    assert (refused.text, refused.message, refused.source) == (
        '{"text": "b", "pages": 300}',
        "pages: 300 does not fit UInt8",
        "table",
    )


def test_a_value_that_is_missing_is_refused_where_the_column_has_no_null(connection: sqlite3.Connection) -> None:
    """Of a table of somebody else's, it may have a default."""
    types = {"text": "String", "pages": "Int64"}

    packed = packer(None, **types).pack(connection, 0, last=None, rows=1, size=ALL)
    assert packed is not None
    assert [it.message for it in packed.unfit] == ["pages: is missing, and its column has no NULL"]

    theirs = packer(OlapConfig(life_cycle="EXTERNALLY_MANAGED"), **types).pack(
        connection, 0, last=None, rows=1, size=ALL
    )
    assert theirs is not None
    assert theirs.body == b'{"text":"a","pages":null}'
