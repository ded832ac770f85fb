"""`moose-cli dead-letters`: what was refused is shown, and stored once it fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.shop import filled, put, shop, write_shop

from moose_lib.cli.main import main
from moose_lib.ingest import moves
from moose_lib.ingest.letterbox import SET_ASIDE, Letters, keep_letters
from moose_lib.ingest.letters import Replayed
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import RejectedRecord, Source

__all__ = ["filled", "shop"]


async def test_dead_letters_are_listed_with_their_reason(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await put(shop, "Orders", [], ['{"order_id": "x", "total": "much"}', "{nonsense"])

    assert main(["dead-letters", "Orders"]) == 0
    told = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--since", "1ms"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "no such dead letters"
    assert main(["dead-letters", "OrdersDeadLetterQueue", "--json", "--limit", "1"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert main(["dead-letters", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == [{"name": "Orders", "waiting": 2, "replayed": 0}]
    assert told.out.splitlines()[0].split("  ")[1].strip() == "FAILED AT"
    assert [line.split("  ")[-1].strip() for line in told.out.splitlines()] == [
        "RECORD", "{nonsense", '{"order_id": "x", "total": "much"}',
    ]  # fmt: skip
    assert told.err.splitlines() == [
        "2 shown, 2 waiting",
        "hint: after fixing the model: moose-cli dead-letters Orders --replay --dry-run",
    ]
    assert (document["originalRecord"], document["errorType"]) == ("{nonsense", "ValidationError")


async def test_dead_letters_are_valid_json_whatever_was_sent(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no words for what Python's parser reads; and a pipe takes no half of a surrogate pair."""
    bad = [
        '{"total": 1e400, "order_id": NaN}',
        '{"total": 12345678901234567890.12}',
        r'{"order_id": "\ud800"}',
        "[" * 9999,
    ]
    await put(shop, "Orders", [], bad)

    assert main(["dead-letters", "Orders", "--json"]) == 0

    def refuse(word: str) -> object:
        raise AssertionError(word)

    documents = json.loads(capsys.readouterr().out.encode(), parse_constant=refuse)
    assert [it["originalRecord"] for it in documents] == [
        "[" * 9999,
        r'{"order_id": "\ud800"}',
        {"total": "12345678901234567890.12"},
        {"total": "1e400", "order_id": "NaN"},
    ]


def test_dead_letters_of_nobody(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "Orders"]) == 0
    assert main(["dead-letters", "Ordres"]) == 4
    assert main(["dead-letters"]) == 0
    assert main(["dead-letters", "--replay"]) == 2
    assert main(["dead-letters", "Orders", "--dry-run"]) == 2

    told = capsys.readouterr().err
    assert "no dead letters of Orders\n" in told
    assert "error: --replay is about one endpoint: name it\n" in told
    assert "error: --dry-run says what --replay would do: write --replay --dry-run\n" in told
    assert "hint: did you mean: moose-cli dead-letters Orders\n" in told


def test_dead_letters_are_asked_for_by_what_the_store_knows_where_there_is_no_code(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (filled / "app" / "main.py").write_text("raise RuntimeError", encoding="utf-8")

    assert main(["dead-letters", "orders"]) == 0
    assert main(["dead-letters", "Ordesr"]) == 4

    assert capsys.readouterr().err.splitlines() == [
        "no dead letters of Orders",
        "error: no endpoint named 'Ordesr'",
        "hint: did you mean: moose-cli dead-letters Orders",
    ]


async def test_a_replay_stores_what_the_repaired_model_takes_once(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its new column included; what is still bad stays, with the reason."""
    bad = ['{"order_id": "x", "total": "much"}', '{"total": 1}', "[1]", "{nonsense"]
    await put(shop, "Orders", [{"order_id": "1", "total": 1}], bad)
    write_shop(shop, total="str", more="tax: int = 0")

    assert main(["dead-letters", "Orders", "--replay", "--dry-run"]) == 0
    dry = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--replay", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main(["dead-letters", "Orders", "--replay"]) == 0
    again = capsys.readouterr()
    assert main(["query", "SELECT order_id, total, tax FROM Orders ORDER BY 1", "--json"]) == 0

    stored = json.loads(capsys.readouterr().out)
    assert stored == [
        {"order_id": "1", "total": "1", "tax": None},
        {"order_id": "x", "total": "much", "tax": 0},
    ]
    assert dry.out == "Orders: 1 would be stored, 3 still refused\n"
    assert "hint: moose-cli dead-letters Orders --replay\n" in dry.err
    assert (document["stored"], document["still_refused"]) == (1, 3)
    assert again.out == "Orders: 0 stored, 3 still refused\n"
    assert again.err.splitlines()[0] == "  2: order_id: is missing; total: input should be a valid string, got 1"


async def test_what_was_set_aside_is_left_unless_it_is_asked_for(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fits the model; whether it is new, only the user knows."""
    await put(shop, "Orders", [])
    spare = RejectedRecord(text='{"order_id": "1", "total": 1}', error_type=SET_ASIDE, message="set aside, as …")
    with SqliteStore(shop / ".moose" / "store.db", []) as store:
        letters = Letters(endpoint="Orders", queue="OrdersDeadLetterQueue", records=[spare])
        await store.run(lambda connection: keep_letters(connection, letters, "2026-11-26T10:00:00.000000Z"))

    assert main(["dead-letters", "Orders"]) == 0
    listed = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--set-aside"]) == 2
    assert "error: --set-aside says what --replay stores: write --replay --set-aside\n" in capsys.readouterr().err
    assert main(["dead-letters", "Orders", "--replay"]) == 0
    left = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--replay", "--set-aside", "--dry-run"]) == 0
    dry = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--replay", "--set-aside", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    told = "1 set aside, which may repeat what is stored: --replay --set-aside stores them\n"
    assert listed.err == f"1 shown, 1 waiting\n{told}"
    assert (left.out, left.err) == ("Orders: 0 stored, 0 still refused\n", told)
    assert dry.out == "Orders: 1 would be stored, 0 still refused\n"
    assert dry.err == "hint: moose-cli dead-letters Orders --replay --set-aside\n"
    assert (document["stored"], document["left_set_aside"]) == (1, 0)


async def test_letters_that_clickhouse_refused_are_fixed_in_its_table(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = RejectedRecord(text="{}", error_type="ClickHouseError", message="no such column", source="table")
    with SqliteStore(filled / ".moose" / "store.db", []) as store:
        letters = Letters(endpoint="Orders", queue="OrdersDeadLetterQueue", records=[refused])
        await store.run(moves.prepare("Orders", "local.Orders"))
        await store.run(moves.settle("Orders", 1, moved=0, letters=letters))

    assert main(["dead-letters", "Orders"]) == 0

    assert capsys.readouterr().err.splitlines() == [
        "1 shown, 1 waiting",
        "hint: after fixing the table in ClickHouse: moose-cli dead-letters Orders --replay --dry-run",
    ]


@pytest.mark.parametrize("is_moving", [True, False])
async def test_a_dry_run_tells_what_clickhouse_has_refused(
    filled: Path, capsys: pytest.CaptureFixture[str], is_moving: bool
) -> None:
    """It fits the model, and is refused again unless the table has changed; who has no ClickHouse keeps it."""

    def letter(source: Source) -> RejectedRecord:
        return RejectedRecord(text='{"order_id": "3", "total": 9}', error_type="X", message="cheap", source=source)

    records = [letter("api"), *(letter("table") for _ in range(7))]
    with SqliteStore(filled / ".moose" / "store.db", []) as store:
        letters = Letters(endpoint="Orders", queue="OrdersDeadLetterQueue", records=records)
        await store.run(lambda connection: keep_letters(connection, letters, "2026-11-26T10:00:00.000000Z"))
    if is_moving:
        (filled / "moose.config.toml").write_text('[clickhouse_config]\nhost = "ch"\n', encoding="utf-8")

    assert main(["dead-letters", "Orders", "--replay", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--replay", "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert told.out == "Orders: 8 would be stored, 0 still refused\n"
    doubts = [
        "7 of them ClickHouse has refused, and refuses again unless its table has changed:",
        *(f"  {number}: cheap" for number in range(2, 7)),
        "  and 2 more",
    ]
    hint = "hint: moose-cli dead-letters Orders --replay"
    assert told.err.splitlines() == [*doubts, hint] if is_moving else [hint]
    assert document["refused_by_clickhouse"] == 7
    assert document["clickhouse_examples"][0] == {"id": 2, "reason": "cheap"}


def test_what_another_replay_has_stored_meanwhile_is_told(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def replay(*_: object, **__: object) -> Replayed:
        return Replayed(stored=1, elsewhere=2)

    monkeypatch.setattr("moose_lib.cli.letters.replay", replay)
    assert main(["dead-letters", "Orders", "--replay"]) == 0

    assert capsys.readouterr().out == "Orders: 1 stored, 2 by another replay, 0 still refused\n"


async def test_letters_are_shown_and_replayed_by_age(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await put(shop, "Orders", [], ['{"order_id": "x", "total": 1}', *["{}"] * 7])

    assert main(["dead-letters", "Orders", "--replay", "--since", "1h", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main(["dead-letters", "Orders", "--all", "--since", "1h"]) == 0
    shown = capsys.readouterr()
    assert main(["dead-letters", "Orders", "--replay"]) == 0

    assert (document["stored"], document["still_refused"], len(document["examples"])) == (1, 7, 5)
    assert "total: is bad (replayed)" in shown.out
    assert "8 shown, 7 waiting\n" in shown.err
    assert "  and 2 more\n" in capsys.readouterr().err
