"""Commands about the store: query, peek, ls, and what check says of it."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import json
import os
import re
import signal
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.shop import filled, put, shop, write_shop

from moose_lib.cli.main import main
from moose_lib.ingest import moves, querying
from moose_lib.ingest.letterbox import Letters
from moose_lib.ingest.sqlite import SqliteStore

__all__ = ["filled", "shop"]


def test_a_query_without_a_store_says_what_makes_one(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1"]) == 4

    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("error: no store at ")
    assert told[1] == "hint: moose-cli serve makes it, and POST /ingest/<name> fills it"


def test_a_query_shows_rows_as_a_table(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT order_id, total, note, items FROM Orders ORDER BY 1"]) == 0

    out = capsys.readouterr().out.splitlines()
    assert out == ["order_id  total  note  items", '1         1.10   NULL  ["a","b"]', "2         7      NULL  []"]


def test_a_long_cell_is_whole_in_a_pipe_and_nothing_in_it_is_obeyed_by_a_terminal(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "SELECT '" + "x" * 500 + "' || char(27) || '[31m' || char(10) || 'y' AS it"]) == 0

    assert capsys.readouterr().out.splitlines() == ["it", "x" * 500 + "\\x1b[31m\\ny"]


@pytest.mark.parametrize("how", [["--json"], ["--format", "json"]])
def test_json_is_an_array_of_records(filled: Path, capsys: pytest.CaptureFixture[str], how: list[str]) -> None:
    assert (
        main(["query", "SELECT order_id, order_id, 1.5 AS x, x'00ff' AS b, 9e999 AS i, NULL AS n FROM Orders", *how])
        == 0
    )

    found = json.loads(capsys.readouterr().out)
    assert found[0] == {"order_id": "1", "order_id_2": "1", "x": 1.5, "b": "AP8=", "i": "Infinity", "n": None}
    assert [it["order_id"] for it in found] == ["1", "2"]


def test_json_of_no_rows_is_an_empty_array(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT * FROM Orders WHERE 0", "--json"]) == 0

    assert capsys.readouterr().out == "[]\n"


def test_csv_tells_nothing_from_an_empty_text(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", """SELECT 1 AS a, '' AS b, NULL AS c, 'x,"y"' AS d, ' z' AS e""", "--format", "csv"]) == 0

    assert capsys.readouterr().out == 'a,b,c,d,e\n1,"",,"x,""y"""," z"\n'


def test_a_file_is_written_whole_or_not_at_all(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT order_id FROM Orders", "--format", "csv", "-o", "orders.csv"]) == 0
    broken = "SELECT json_extract(value, '$') FROM (SELECT '1' AS value UNION ALL SELECT '{')"
    assert main(["query", broken, "--format", "csv", "-o", "broken.csv"]) == 2

    assert (filled / "orders.csv").read_text() == "order_id\n1\n2\n"
    assert not list(filled.glob("broken*"))
    assert "malformed JSON" in capsys.readouterr().err

    assert main(["query", "SELECT 1", "--format", "csv", "-o", "nowhere/orders.csv"]) == 1
    assert capsys.readouterr().err == "error: nowhere/orders.csv cannot be written: No such file or directory\n"


def test_a_limit_says_that_there_is_more(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT order_id FROM Orders", "--limit", "1"]) == 0

    told = capsys.readouterr()
    assert told.out.splitlines() == ["order_id", "1"]
    assert told.err == "note: only the first 1 rows: --limit 0 shows all\n"


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT order_id, value FROM Orders, json_each(items)", [["1", "a"], ["1", "b"]]),
        ("SELECT atom FROM json_tree('[7]') WHERE atom IS NOT NULL", [["7"]]),
        ("SELECT name FROM pragma_table_info('Orders') WHERE name LIKE '%id'", [["_id"], ["order_id"], ["paid"]]),
    ],
)
def test_functions_that_are_tables_can_be_asked(
    filled: Path, capsys: pytest.CaptureFixture[str], statement: str, rows: list[list[str]]
) -> None:
    assert main(["query", statement, "--format", "csv"]) == 0

    assert list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:] == rows


@pytest.mark.parametrize("statement", ["UPDATE sqlite_master SET sql = 'x'", "DELETE FROM sqlite_schema"])
def test_the_schema_stays_as_it_is(filled: Path, capsys: pytest.CaptureFixture[str], statement: str) -> None:
    assert main(["query", statement]) == 2

    text = "error: the store does not understand the query: table sqlite_master may not be modified\n"
    assert capsys.readouterr().err.startswith(text)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM Orders",
        "INSERT INTO Orders (order_id) VALUES ('x')",
        "DROP TABLE Orders",
        "CREATE TABLE x (y)",
        "ATTACH 'other.db' AS other",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA query_only=OFF",
        "VACUUM INTO 'copy.db'",
        "BEGIN IMMEDIATE",
        "WITH x AS (SELECT 1) UPDATE Orders SET note = 'x'",
    ],
)
def test_what_writes_is_refused(filled: Path, capsys: pytest.CaptureFixture[str], statement: str) -> None:
    assert main(["query", statement]) == 2

    assert capsys.readouterr().err.startswith("error: the statement is refused: a query only reads\n")
    assert sorted(it.name for it in filled.iterdir()) == [".moose", "app", "moose.config.toml"]


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT nope FROM Orders", "the store does not understand the query: no such column: nope"),
        ("SELECT 1; SELECT 2", "there are several statements, and a query is one"),
        ("  ", "the query is empty"),
    ],
)
def test_a_mistake_is_told(filled: Path, capsys: pytest.CaptureFixture[str], statement: str, text: str) -> None:
    assert main(["query", statement]) == 2

    assert capsys.readouterr().err.splitlines()[0] == f"error: {text}"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--json", "--format", "csv"], "--json and --format csv are two answers; leave one out"),
        (["-o", "x"], "a file takes --format json, csv or parquet"),
        (["--format", "table", "-o", "x"], "a file takes --format json, csv or parquet"),
    ],
)
def test_answers_that_exclude_each_other_are_refused(
    filled: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    assert main(["query", "SELECT 1", *words]) == 2

    assert capsys.readouterr().err.splitlines()[0] == f"error: {text}"


def test_parquet_does_not_go_to_a_terminal(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["query", "SELECT 1", "--format", "parquet"]) == 2

    assert (
        capsys.readouterr().err.splitlines()[0]
        == "error: a terminal cannot show Parquet: write --output FILE, or a pipe"
    )


def test_ctrl_c_ends_a_query_that_goes_on_for_ever(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = querying.query

    def query_and_interrupt(
        connection: sqlite3.Connection, statement: str, patience: timedelta | None
    ) -> querying.Answer:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        return query(connection, statement, patience)

    monkeypatch.setattr(querying, "query", query_and_interrupt)
    forever = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t"
    assert main(["query", forever]) == 130


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_says_what_to_install(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1", "--format", "parquet", "-o", "x.parquet"]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "error: Parquet needs pyarrow, which is not installed",
        "hint: pip install pyarrow",
    ]


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed: it has 40 MB")
def test_parquet_keeps_types(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet: Any = importlib.import_module("pyarrow.parquet")  # Any: not installed for the type checkers
    assert main(["query", "SELECT order_id, _id FROM Orders", "--format", "parquet", "-o", "x.parquet"]) == 0
    assert main(["query", "SELECT 1 AS a UNION ALL SELECT 'x'", "--format", "parquet", "-o", "y.parquet"]) == 2

    assert parquet.read_table("x.parquet").to_pydict() == {"order_id": ["1", "2"], "_id": [1, 2]}
    assert capsys.readouterr().err.splitlines() == [
        "error: column 'a' has values of several types, and Parquet takes one",
        'hint: SELECT CAST("a" AS TEXT)',
    ]


def test_peek_shows_the_latest_first_with_values_as_they_were(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peek", "orders/1", "--json"]) == 4
    capsys.readouterr()
    assert main(["peek", "Orders", "-n", "1", "--json"]) == 0

    (found,) = json.loads(capsys.readouterr().out)
    del found["_ingested_at"]
    assert found == {"_id": 2, "order_id": "2", "total": "7", "paid": False, "items": [], "note": None}


async def test_peek_of_a_bare_name_is_the_table_or_its_highest_version(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(filled, "Orders_1_10", [{"order_id": "ten", "total": 1}])
    connection = sqlite3.connect(filled / ".moose" / "store.db")
    with connection:
        connection.execute("DELETE FROM _moose_tables WHERE name = 'Orders'")
    connection.close()

    assert main(["peek", "orders"]) == 0

    assert "ten" in capsys.readouterr().out


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_rows_that_have_moved_do_not_wait(
    filled: Path, capsys: pytest.CaptureFixture[str], position: int
) -> None:
    """The last one stays in the file for its number, and is asked for in ClickHouse."""
    with SqliteStore(filled / ".moose" / "store.db", []) as store:
        none = Letters(endpoint="Orders", queue="OrdersDeadLetterQueue", records=[])
        await store.run(moves.prepare("Orders", "local.Orders"))
        await store.run(moves.settle("Orders", position, moved=position, letters=none))
    (filled / "moose.config.toml").write_text('[clickhouse_config]\nhost = "ch"\n', encoding="utf-8")

    assert main(["query", "--store", "sqlite", "SELECT _id FROM Orders", "--json"]) == 0
    waiting = json.loads(capsys.readouterr().out)
    assert main(["peek", "Orders", "--store", "sqlite", "--json"]) == 0
    peeked = json.loads(capsys.readouterr().out)
    assert main(["query", "--store", "sqlite", "DROP VIEW Orders"]) == 2
    assert main(["peek", "Orders", "--store", "sqlite"]) == 0
    nothing = "Orders has no rows that wait for ClickHouse\n" in capsys.readouterr().err

    assert waiting == [{"_id": number} for number in range(position + 1, 3)]
    assert [it["_id"] for it in peeked] == [number for number in (2, 1) if number > position]
    assert nothing == (position == 2)
    (filled / "moose.config.toml").write_text("", encoding="utf-8")
    assert main(["query", "SELECT count(*) AS n FROM Orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 2}]


def test_peek_of_an_unknown_name_says_what_was_meant(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peek", "Ordesr"]) == 4
    assert main(["peek", "zzz"]) == 4
    assert main(["peek", "Loose"]) == 0

    assert capsys.readouterr().err.splitlines() == [
        "error: no table named 'Ordesr'",
        "hint: did you mean: moose-cli peek Orders",
        "error: no table named 'zzz'",
        "hint: there are: Loose, Orders, Orders_1_10, Orders_1_2",
        "Loose has no rows yet",
    ]


def test_ls_has_the_keys_of_the_existing_moose(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "tables", "streams", "ingestion_apis", "sql_resources", "consumption_apis", "stream_transformations",
        "workflows", "web_apps",
    }  # fmt: skip
    assert [it["path"] for it in found["ingestion_apis"]] == [
        "/ingest/Orders",
        "/ingest/Orders/1.2",
        "/ingest/Orders/1.10",
    ]
    assert found["tables"][0]["columns"][1] == {"name": "total", "kind": "decimal"}


def test_ls_is_narrowed_by_type_and_name(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--type", "tables", "--name", "LOO"]) == 0
    assert main(["ls", "--type", "ingestion", "--json"]) == 0
    assert main(["ls", "--type", "workflows"]) == 0

    told = capsys.readouterr()
    assert told.out.splitlines()[:2] == ["TYPE    NAME", "tables  Loose  order_id, total, paid, items, note"]
    assert '"/ingest/Orders/1.2"' in told.out
    assert told.err == "nothing is declared\n"
    assert main(["ls", "--name", "nobody"]) == 0
    assert capsys.readouterr().err == "nothing of that name is declared\n"


def test_ls_says_where_records_go(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--name", "orders_1_2"]) == 0

    assert [re.sub("  +", "  ", line) for line in capsys.readouterr().out.splitlines()] == [
        "TYPE  NAME",
        "tables  Orders_1_2  order_id, total, paid, items, note",
        "streams  Orders_1_2  into table Orders_1_2",
    ]


def test_check_lists_endpoints_tables_and_what_the_store_would_get(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(filled, more="tax: int = 0")

    assert main(["check"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert main(["check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert text[0] == "POST /ingest/Orders  Order → table Orders, by order_id"
    assert "table Loose  Order" in text
    assert "  store: table Orders: column tax will be added" in text
    assert text[-1] == "0 workflows, 0 tasks, 3 endpoints, 4 tables, no mistakes"
    assert document["store_changes"][0] == "table Orders: column tax will be added"
    assert [it["name"] for it in document["endpoints"]] == ["Orders"] * 3


def test_check_refuses_what_would_lose_rows_of_the_store(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shop(filled, total="int")

    assert main(["check"]) == 2

    told = capsys.readouterr().err.splitlines()
    assert told[0] == "error: 4 tables hold rows of another shape:"
    assert told[1] == "  table 'Orders' holds rows of another shape: total is integer, was decimal"
    assert told[-1] == 'hint: give the new shape a version of its own: version="2"'


def test_check_tells_of_a_store_that_cannot_be_read(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (filled / ".moose").iterdir():
        file.write_bytes(b"no database" * 1000)

    assert main(["check"]) == 0

    assert "cannot be read: file is not a database" in capsys.readouterr().out


def test_a_query_is_read_from_stdin(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n\nFROM Orders"))

    assert main(["query", "-", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == [{"n": 2}]
