"""Rows arrive once, whoever dies meanwhile."""

from __future__ import annotations

import json
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx2
from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.serving import Shop, eventually

SMALL = 150


def numbers(clickhouse: ClickHouseProcess, shop: Shop) -> list[int]:
    text = clickhouse.ask(f"SELECT number FROM {shop.database}.Clicks ORDER BY number")
    return [json.loads(line)[0] for line in text.splitlines()]


def records(first: int, count: int) -> list[dict[str, int]]:
    return [{"number": number} for number in range(first, first + count)]


@contextmanager
def client(shop: Shop) -> Generator[list[int]]:
    """Somebody who sends all the time, and repeats what was not answered; yields what was acknowledged."""
    acknowledged, stop = list[int](), Event()

    def send() -> None:
        with httpx2.Client(timeout=30) as http:
            while not stop.is_set():
                first = len(acknowledged)
                try:
                    answer = http.post(
                        f"http://127.0.0.1:{shop.port}/ingest/Clicks",
                        json=records(first, 25),
                        headers={"Idempotency-Key": str(first)},
                    )
                except httpx2.TransportError:
                    stop.wait(0.02)
                    continue
                assert answer.status_code == 200
                acknowledged.extend(range(first, first + 25))
                stop.wait(0.01)

    thread = Thread(target=send)
    thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        thread.join()


def assert_once(found: list[int], acknowledged: list[int]) -> None:
    """All that was acknowledged is there, all once; the last request may have been stored and its answer lost."""
    assert found == list(range(len(found)))
    assert len(found) - len(acknowledged) in (0, 25)


def moved(shop: Shop) -> int:
    """Rows that have gone; 0 before the first has."""
    if not shop.in_file("SELECT 1 FROM sqlite_master WHERE name = '_moose_moves'"):
        return 0
    return sum(row[0] for row in shop.in_file("SELECT moved FROM _moose_moves"))


def test_rows_move_and_the_file_is_a_queue_that_gets_empty(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """The last row stays, so that its number is not given to another one."""
    shop = Shop(tmp_path, clickhouse)
    with shop.serve():
        shop.post("Clicks", records(0, 12_000))
        eventually(lambda: shop.in_file("SELECT count(*) FROM Clicks") == [(1,)], "an empty queue")
        shop.post("Clicks", records(12_000, 2))
        eventually(lambda: shop.waiting() == 0)

    assert numbers(clickhouse, shop) == list(range(12_002))
    assert shop.in_file("SELECT position, last, token, moved, refused, state FROM _moose_moves") == [
        (12_002, None, None, 12_002, 0, "moving")
    ]


def test_the_server_is_killed_again_and_again(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """Also between an insert and the note that it was done."""
    shop = Shop(tmp_path, clickhouse, batch_rows=SMALL)
    with client(shop) as acknowledged:
        for kill in range(4):
            before = moved(shop) if kill else 0
            with shop.serve() as process:
                eventually(lambda before=before: moved(shop) > before + 200)  # type: ignore[misc]  # bound at once
                process.send_signal(signal.SIGKILL)
                process.wait()
        with shop.serve():
            eventually(lambda: moved(shop) > 1000)
    with shop.serve():
        eventually(lambda: shop.waiting() == 0)

    assert_once(numbers(clickhouse, shop), acknowledged)


def test_clickhouse_is_killed_again_and_again(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    shop = Shop(tmp_path, clickhouse, batch_rows=SMALL)
    with shop.serve():
        with client(shop) as acknowledged:
            for _ in range(3):
                before = moved(shop)
                eventually(lambda before=before: moved(shop) > before + 200)  # type: ignore[misc]  # bound at once
                clickhouse.kill()
                taken = len(acknowledged)
                eventually(lambda taken=taken: len(acknowledged) > taken + 50)  # type: ignore[misc]  # as above
                clickhouse.start()
        eventually(lambda: shop.waiting() == 0)

    assert_once(numbers(clickhouse, shop), acknowledged)


def test_a_long_time_without_clickhouse_loses_nothing(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """Not even if it is away when the server starts, and the server is started again meanwhile."""
    shop = Shop(tmp_path, clickhouse)
    clickhouse.kill()
    for part in range(2):
        with shop.serve():
            for number in range(20):
                shop.post("Clicks", records(part * 20_000 + number * 1000, 1000))
            eventually(lambda: shop.in_file("SELECT state FROM _moose_moves") == [("retrying",)])
            assert shop.waiting() == (part + 1) * 20_000
            reason = {"clickhouse Clicks": f"{shop.settings.url} cannot be reached: connection refused"}
            eventually(lambda: shop.get("/ready").json().get("delayed") == reason, "the server tells why")  # noqa: B023  # called at once
            ready = shop.get("/ready")
            assert ready.status_code == 200
            assert ready.json()["lag_seconds"]["clickhouse Clicks"] > 0
            line = f'moose_clickhouse_waiting_rows{{table="Clicks"}} {(part + 1) * 20_000}.0'
            assert line in shop.get("/metrics").text.splitlines()
    with shop.serve():
        clickhouse.start()
        eventually(lambda: shop.waiting() == 0)

    assert numbers(clickhouse, shop) == list(range(40_000))


def test_an_insert_whose_answer_is_lost_is_not_done_twice(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """Neither by the driver, which asks again by itself once, nor by us."""
    shop = Shop(tmp_path, clickhouse, batch_rows=SMALL)
    with shop.serve():
        for part in range(3):
            clickhouse.lose_answers(5)
            shop.post("Clicks", records(part * 100, 100))
            eventually(lambda: clickhouse.has_lost_them and shop.waiting() == 0)

    assert numbers(clickhouse, shop) == list(range(300))


def test_a_server_that_is_stopped_leaves_the_rest_for_the_next_one(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    shop = Shop(tmp_path, clickhouse, batch_rows=5)
    with shop.serve() as process:
        shop.post("Clicks", records(0, 400))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert shop.waiting() > 0
    with shop.serve():
        eventually(lambda: shop.waiting() == 0)

    assert numbers(clickhouse, shop) == list(range(400))
