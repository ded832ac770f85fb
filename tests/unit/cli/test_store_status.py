"""`moose-cli status`, which reads the store's file and nothing else."""

from __future__ import annotations

import fcntl
import json
import re
from pathlib import Path

import pytest
from tests.unit.cli.shop import filled, put, shop

from moose_lib.cli.main import main
from moose_lib.ingest import moves
from moose_lib.ingest.letterbox import Letters
from moose_lib.ingest.moves import Work
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import RejectedRecord

__all__ = ["filled", "shop"]

CONFIG = '[clickhouse_config]\nhost = "ch.example"\npassword = "s3cret"\n'
REASON = "http://ch.example:18123 cannot be reached: connection refused"


async def move(folder: Path, *works: Work) -> None:
    """What the mover writes down."""
    with SqliteStore(folder / ".moose" / "store.db", []) as store:
        for work in works:
            await store.run(work)


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """What was printed, with one word for what differs each time."""
    told = capsys.readouterr()
    out = re.sub(r"\d+\.\d MB", "SIZE", told.out)
    out = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "MOMENT", out)
    return re.sub(r"\b\d+(ms|s)\b +", "AGE  ", out).splitlines(), told.err.splitlines()


def test_without_a_store_it_says_what_makes_one(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 4

    assert capsys.readouterr().err.startswith("error: no store at ")


async def test_without_clickhouse_it_tells_rows_and_dead_letters(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(filled, "Orders", [], refused=["{}", "[]"])
    assert main(["status"]) == 0

    assert lines(capsys) == (
        [
            f"store         {filled}/.moose/store.db, SIZE",
            "server        not running",
            "clickhouse    not used",
            "dead letters  2 of Orders",
            "",
            "TABLE        ROWS",
            "Loose        0",
            "Orders       2",
            "Orders_1_10  0",
            "Orders_1_2   0",
        ],
        [],
    )


async def test_it_tells_what_waits_and_why(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (filled / "moose.config.toml").write_text(CONFIG)
    letters = Letters(endpoint="Orders", queue="q", records=[RejectedRecord(text="{}", error_type="t", message="m")])
    await move(
        filled,
        moves.prepare("Orders", "local.Orders"),
        moves.prepare("Loose", "local.Loose"),
        moves.settle("Orders", 1, moved=1, letters=letters),
        moves.note("Orders", "retrying", REASON, None),
        moves.note("Loose", "blocked", "ClickHouse has another shape", "ALTER TABLE …"),
    )
    await put(filled, "Orders", [{"order_id": "3", "total": 1}])
    with (filled / ".moose" / "store.db.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["status"]) == 0

    assert lines(capsys) == (
        [
            f"store         {filled}/.moose/store.db, SIZE",
            "server        running",
            "clickhouse    http://ch.example:18123, database local",
            "dead letters  1 of Orders",
            "",
            "TABLE        WAITING  OLDEST  MOVED  REFUSED  STATE",
            "Loose        0        -       0      0        blocked since MOMENT",
            "Orders       2        AGE  1      1        retrying since MOMENT",
            "Orders_1_10  0        -       0      0        not begun",
            "Orders_1_2   0        -       0      0        not begun",
            "  Loose: ClickHouse has another shape",
            f"  Orders: {REASON}",
        ],
        ["hint: ALTER TABLE …"],
    )


def test_a_store_without_tables(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SqliteStore(shop / ".moose" / "store.db", []):
        pass
    assert main(["status"]) == 0

    assert lines(capsys)[1] == ["no tables yet"]


async def test_rows_that_wait_without_a_server_are_said_to_need_one(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (filled / "moose.config.toml").write_text(CONFIG)
    assert main(["status"]) == 0

    assert lines(capsys)[1] == ["hint: moose-cli serve moves what waits"]


async def test_as_json(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (filled / "moose.config.toml").write_text(CONFIG)
    letters = Letters(endpoint="Orders", queue="q", records=[])
    await move(
        filled,
        moves.prepare("Orders", "local.Orders"),
        moves.settle("Orders", 1, moved=1, letters=letters),
        moves.note("Orders", "retrying", REASON, None),
    )
    assert main(["status", "--json"]) == 0

    text = capsys.readouterr().out
    assert "s3cret" not in text
    found = json.loads(text)
    assert (found["is_served"], found["dead_letters"]) == (False, [])
    assert found["clickhouse"] == {"url": "http://ch.example:18123", "database": "local"}
    assert found["store"]["path"] == f"{filled}/.moose/store.db"
    orders = next(it for it in found["tables"] if it["name"] == "Orders")
    assert orders.pop("lag_seconds") >= 0
    for time in ("since", "oldest_waiting", "moved_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", orders.pop(time))
    assert orders == {
        "name": "Orders",
        "rows": 2,
        "waiting": 1,
        "state": "retrying",
        "error": REASON,
        "hint": None,
        "place": "local.Orders",
        "moved": 1,
        "refused": 0,
    }
    assert next(it for it in found["tables"] if it["name"] == "Loose")["state"] == "not_begun"


async def test_as_json_without_clickhouse(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["clickhouse"] is None
    assert found["tables"][1] == {"name": "Orders", "rows": 2}
