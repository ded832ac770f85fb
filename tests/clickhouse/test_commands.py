"""query, peek, check and status where records move on to ClickHouse."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import socket
from pathlib import Path

import pytest
from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.serving import config_text

from moose_lib.cli.main import main
from moose_lib.ingest.clickhouse.mover import Mover
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.moves import read_moves, waiting
from moose_lib.ingest.querying import reading
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch
from moose_lib.observing.moving import MoveMetrics
from moose_lib.project.loader import find_project, load_project

SHOP = """\
from decimal import Decimal
from pydantic import BaseModel, Field
from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig

class Order(BaseModel):
    order_id: {kind}
    total: Decimal = Field(max_digits=10, decimal_places=2)
    paid: bool = False
    items: list[str] = []
    extra: dict[str, int] = {{}}
    note: str | None = None
    raw: bytes = b""
    {more}

IngestPipeline[Order]("Orders", IngestPipelineConfig(table=OlapConfig(order_by_fields=["order_id"])))
IngestPipeline[Order]("Bills", IngestPipelineConfig(table=OlapConfig(database="{database}")))
"""


class Folder:
    """A project whose records move to a ClickHouse."""

    def __init__(self, root: Path, clickhouse: ClickHouseProcess) -> None:
        self.root = root
        self.settings = clickhouse.settings()
        (root / "app").mkdir()
        (root / "moose.config.toml").write_text(config_text(self.settings))
        self.write()

    def write(self, kind: str = "str", more: str = "") -> None:
        database = f"{self.settings.db_name}_bills"
        (self.root / "app" / "main.py").write_text(SHOP.format(kind=kind, more=more, database=database))

    def put(self, table: str, *records: dict[str, object], is_moving: bool = True) -> None:
        """What the server does; it ends when all rows have moved."""
        asyncio.run(self._put(table, records, is_moving=is_moving))

    async def _put(self, table: str, records: tuple[dict[str, object], ...], *, is_moving: bool) -> None:
        loaded = load_project(find_project(self.root))
        plan = loaded.tables[table]
        path = loaded.project.settings.store_path
        rows = [RowMaker(plan.model).row(plan.model.model_validate(it)) for it in records]
        with SqliteStore(path, loaded.tables.values()) as store:
            await store.put(Batch(endpoint=table, table=table, rows=rows))
            if is_moving:
                settings, tables = self.settings, loaded.tables.values()
                async with Mover(settings, store, path, tables, loaded.endpoints, MoveMetrics()), asyncio.timeout(120):
                    while not self._is_empty(path):  # noqa: ASYNC110  # the mover tells nobody
                        await asyncio.sleep(0.02)

    def _is_empty(self, path: Path) -> bool:
        with reading(path) as connection:
            moves = read_moves(connection)
            return len(moves) == 2 and not any(waiting(connection, it, moves[it].position).count for it in moves)


@pytest.fixture
def folder(tmp_path: Path, clickhouse: ClickHouseProcess, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, clickhouse)


@pytest.fixture
def filled(folder: Folder) -> Folder:
    folder.put("Orders", {"order_id": "1", "total": "1.10", "items": ["a", "b"], "extra": {"x": 1}, "raw": b"\xff"})
    folder.put("Orders", {"order_id": "2", "total": 7, "paid": True, "note": "é"})
    return folder


def test_a_query_asks_clickhouse_in_its_own_dialect(filled: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    statement = "SELECT order_id, total, paid, note, items, toYear(_ingested_at) > 2000 AS late FROM Orders ORDER BY 1;"
    assert main(["query", statement]) == 0

    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "order_id  total  paid  note  items      late",
        '1         1.10   0     NULL  ["a","b"]  1',
        "2         7.00   1     é     []         1",
    ]
    assert told.err == ""


def test_the_file_can_be_asked_for_what_waits(filled: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    filled.put("Orders", {"order_id": "3", "total": 1}, {"order_id": "4", "total": 1}, is_moving=False)

    assert main(["query", "SELECT count() AS c FROM Orders"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == ["c", "2"]
    assert told.err == (
        "note: rows that have not moved to ClickHouse yet: 2 of Orders (--store sqlite asks for them)\n"
    )
    assert main(["query", "--store", "sqlite", "SELECT order_id FROM Orders"]) == 0
    told = capsys.readouterr()
    assert (told.out.splitlines(), told.err) == (["order_id", "3", "4"], "")


def test_json_has_values_as_they_were(filled: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            ["query", "SELECT order_id, total, paid, items, raw, nan AS n, NULL AS e FROM Orders ORDER BY 1", "--json"]
        )
        == 0
    )

    assert json.loads(capsys.readouterr().out)[0] == {
        "order_id": "1",
        "total": "1.10",
        "paid": False,
        "items": ["a", "b"],
        "raw": "/w==",
        "n": "nan",
        "e": None,
    }


def test_many_rows_come_as_they_are_read(filled: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    statement = "SELECT number, toString(number) AS text, number AS number FROM numbers(100000)"
    assert main(["query", statement, "--format", "csv", "-o", "numbers.csv"]) == 0
    assert main(["query", "SELECT number FROM numbers(100000)", "--limit", "1"]) == 0

    told = capsys.readouterr()
    rows = list(csv.reader(io.StringIO((filled.root / "numbers.csv").read_text())))
    assert rows[0] == ["number", "text", "number_2"]
    assert (len(rows), rows[-1]) == (100_001, ["99999", "99999", "99999"])
    assert told.out.splitlines() == ["number", "0"]
    assert told.err == "note: only the first 1 rows: --limit 0 shows all\n"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO Orders (order_id) VALUES ('x')",
        "ALTER TABLE Orders DELETE WHERE 1",
        "DROP TABLE Orders",
        "CREATE TABLE x (y Int8) ENGINE = Memory",
        "TRUNCATE TABLE Orders",
        "INSERT INTO FUNCTION file('x.csv') SELECT 1",
    ],
)
def test_what_writes_is_refused(filled: Folder, capsys: pytest.CaptureFixture[str], statement: str) -> None:
    assert main(["query", statement]) == 2

    assert capsys.readouterr().err.startswith("error: the statement is refused: a query only reads\n")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT nope FROM Orders", "ClickHouse does not understand the query: Unknown expression identifier `nope`"),
        ("USE default", "the statement has no rows as an answer"),
        ("SELECT throwIf(number = 90000) FROM numbers(100000)", "ClickHouse does not understand the query: "),
        (" ; ", "the query is empty"),
    ],
)
def test_a_mistake_is_told(filled: Folder, capsys: pytest.CaptureFixture[str], statement: str, text: str) -> None:
    assert main(["query", statement]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: {text}")


def test_peek_shows_the_latest_rows_with_the_columns_of_the_store(
    filled: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    filled.put("Orders", {"order_id": "3", "total": 1}, is_moving=False)
    assert main(["peek", "orders", "-n", "1", "--json"]) == 0

    told = capsys.readouterr()
    [row] = json.loads(told.out)
    assert list(row) == [
        "_id", "order_id", "total", "paid", "items", "extra", "note", "raw", "_ingested_at"
    ]  # fmt: skip
    assert (row["_id"], row["order_id"], row["paid"], row["items"], row["extra"]) == (2, "2", True, [], {})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["_ingested_at"])
    assert told.err == "note: rows that have not moved to ClickHouse yet: 1 of Orders (--store sqlite asks for them)\n"


def test_peek_finds_a_table_in_another_database_and_says_when_it_is_empty(
    filled: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["peek", "Bills"]) == 0
    assert capsys.readouterr().err == "Bills has no rows in ClickHouse yet\n"
    assert main(["peek", "Nope"]) == 4
    assert "there are: Bills, Orders" in capsys.readouterr().err


def test_peek_needs_no_file_here(filled: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (filled.root / ".moose").iterdir():
        file.unlink()

    assert main(["peek", "Orders", "-n", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("_id  order_id  total")


def test_without_an_answer_a_query_ends_and_says_whom_to_ask(
    filled: Folder, capsys: pytest.CaptureFixture[str], clickhouse: ClickHouseProcess
) -> None:
    clickhouse.kill()

    for command in (["query", "SELECT 1"], ["peek", "Orders"]):
        assert main(command) == 3
        assert capsys.readouterr().err.splitlines() == [
            f"error: {filled.settings.url} cannot be reached: connection refused",
            "hint: --store sqlite asks for the rows that have not moved yet",
        ]


def test_who_hangs_is_found_out_soon(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is accepted and never answered."""
    monkeypatch.setattr("moose_lib.ingest.clickhouse.asking.CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        settings = folder.settings.model_copy(update={"host_port": hanging.getsockname()[1]})
        (folder.root / "moose.config.toml").write_text(config_text(settings))

        for command in (["query", "SELECT 1"], ["peek", "Orders"], ["query", "SELECT 1", "--timeout", "1m"]):
            assert main(command) == 3
            assert capsys.readouterr().err.splitlines() == [
                f"error: {settings.url} cannot be reached: no answer in time",
                "hint: --store sqlite asks for the rows that have not moved yet",
            ]
        assert main(["query", "SELECT 1", "--timeout", "1s"]) == 124
        assert capsys.readouterr().err.splitlines() == [
            "error: no answer after 1s",
            "hint: --timeout 10s waits longer",
        ]


@pytest.mark.parametrize("store", ["sqlite", "clickhouse"])
def test_a_query_that_takes_too_long_is_given_up(
    filled: Folder, capsys: pytest.CaptureFixture[str], store: str
) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        "clickhouse": "SELECT max(number) FROM numbers(1000000000000000) WHERE cityHash64(number) = 1",
    }[store]

    assert main(["query", "--store", store, endless, "--timeout", "1s"]) == 124
    assert capsys.readouterr().err.splitlines() == [
        "error: no answer after 1s",
        "hint: --timeout 10s waits longer",
    ]
    assert main(["query", "--store", store, "SELECT count(*) AS n FROM Orders", "--timeout", "1m"]) == 0
    assert main(["query", "--store", store, "SELECT 1", "--timeout", "1"]) == 2


def test_before_anything_has_moved_there_is_no_database(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.put("Orders", {"order_id": "1", "total": 1}, is_moving=False)

    for command in (["query", "SELECT 1"], ["peek", "Orders"]):
        assert main(command) == 4
        assert capsys.readouterr().err.splitlines() == [
            f"error: no database '{folder.settings.db_name}' at {folder.settings.url}",
            "hint: moose-cli serve makes it, and moves what waits; --store sqlite asks the file",
        ]


def test_without_a_clickhouse_none_can_be_asked(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.root / "moose.config.toml").write_text("")

    assert main(["query", "SELECT 1", "--store", "clickhouse"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: the settings name no ClickHouse",
        "hint: see [clickhouse_config] in moose.config.toml",
    ]


def test_check_says_what_the_server_would_change(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert "  clickhouse: table Orders will be made\n" in capsys.readouterr().out

    folder.put("Orders", {"order_id": "1", "total": 1})
    folder.write(more="size: int = 1")
    assert main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clickhouse_changes"] == [
        "table Orders: column size will be added",
        "table Bills: column size will be added",
    ]


def test_check_refuses_what_somebody_has_to_decide(filled: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    filled.write(kind="str | None")

    assert main(["check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    database = filled.settings.db_name
    text = "in another shape: column order_id is String, wants Nullable(String)"
    assert lines[:3] == [
        "error: 2 tables of ClickHouse:",
        f"  ClickHouse has {database}.Orders {text}",
        f"  ClickHouse has {database}_bills.Bills {text}",
    ]
    assert lines[3].startswith(f"hint: ALTER TABLE `{database}`.`Orders` MODIFY COLUMN `order_id` Nullable(String); or")


def test_check_says_that_clickhouse_could_not_be_asked(
    folder: Folder, capsys: pytest.CaptureFixture[str], clickhouse: ClickHouseProcess
) -> None:
    clickhouse.kill()

    assert main(["check"]) == 0
    text = f"  clickhouse: could not be asked: {folder.settings.url} cannot be reached: connection refused\n"
    assert text in capsys.readouterr().out
