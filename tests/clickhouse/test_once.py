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


def test_try(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    shop = Shop(tmp_path, clickhouse)
    with shop.serve():
        shop.post("Clicks", batch(0, 5))
        eventually(lambda: shop.waiting() == 0)
        for c in (["status"], ["status", "--json"], ["query", "SELECT number, 1.5, [1,2] AS a, true AS t, _ingested_at FROM Clicks ORDER BY 1"], ["query", "SELECT [1,2] AS a, true AS t, 'x\\xff' AS b, toDecimal64(1.50,2) d, nan n, NULL x", "--json"], ["query", "insert into Clicks (number) values (1)"], ["query", "select nope"], ["query", "select 1; select 2"], ["query","show tables"], ["peek", "clicks"], ["peek", "Clicks", "--json"],["check"],["ls"],["query","select count(*) from Clicks","--store","sqlite"]):
            r = shop.cli(*c); print("$", c, r.returncode); print(r.stdout); print(r.stderr)
        print(shop.get("/ready").text, shop.get("/metrics").text)
        clickhouse.kill()
        shop.post("Clicks", batch(5, 5))
        eventually(lambda: shop.in_file("SELECT state from _moose_moves")==[("retrying",)])
        for c in (["status"], ["status", "--json"], ["query", "SELECT 1"], ["peek", "clicks"],["check"]):
            r = shop.cli(*c); print("$", c, r.returncode); print(r.stdout); print(r.stderr)
        print(shop.get("/ready").text, shop.get("/metrics").text[-1500:])
        clickhouse.start()
        eventually(lambda: shop.waiting() == 0)
    for c in (["status"],):
            r = shop.cli(*c); print("$", c, r.returncode); print(r.stdout); print(r.stderr)
