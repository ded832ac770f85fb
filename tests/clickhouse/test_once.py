"""Rows arrive once, whoever dies meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.serving import Shop, eventually


def numbers(clickhouse: ClickHouseProcess, table: str = "Clicks") -> list[int]:
    text = clickhouse.ask(f"SELECT number FROM local.{table} ORDER BY number")
    return [json.loads(line)[0] for line in text.splitlines()]


def batch(first: int, count: int) -> list[dict[str, int]]:
    return [{"number": number} for number in range(first, first + count)]


def test_rows_move_and_the_file_is_a_queue_that_gets_empty(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """The last row stays, so that its number is not given to another one."""
    shop = Shop(tmp_path, clickhouse)
    with shop.serve():
        shop.post("Clicks", batch(0, 3000))
        eventually(lambda: shop.in_file("SELECT count(*) FROM Clicks") == [(1,)], "an empty queue")
        shop.post("Clicks", batch(3000, 2))
        eventually(lambda: shop.waiting() == 0)

    assert numbers(clickhouse) == list(range(3002))
    assert shop.in_file("SELECT position, last, token, moved, refused, state FROM _moose_moves") == [
        (3002, None, None, 3002, 0, "moving")
    ]
