"""`moose-cli serve` as a process: what was answered is there, however it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from tests.integration.conftest import free_port

from moose_lib.server.connections import raise_file_limit

#: Connections that send no more.
SLOW = 10_000

CODE = """
from pydantic import BaseModel
from moose_lib import IngestPipeline

class Click(BaseModel):
    number: int

IngestPipeline[Click]("Clicks")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(CODE)
    return tmp_path


def command(port: int) -> list[str]:
    ports = ["--port", str(port), "--management-port", str(free_port())]
    return [sys.executable, "-m", "moose_lib.cli", "serve", "shop.py", *ports]


@contextmanager
def server(folder: Path, port: int) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(port), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"serving http://127.0.0.1:{port}, records in ")
        yield process
    finally:
        process.kill()
        process.communicate()


def stored(folder: Path) -> list[int]:
    connection = sqlite3.connect(folder / ".moose" / "store.db")
    try:
        return [row[0] for row in connection.execute("SELECT number FROM Clicks ORDER BY number")]
    finally:
        connection.close()


RECORDS, PER_REQUEST, CLIENTS, KILLS = 100_000, 25, 32, 20


async def test_what_was_answered_is_there_once_though_the_server_is_killed_again_and_again(folder: Path) -> None:
    """Clients repeat what they have no answer for, with the same key: 100,000 records through 20 kills."""
    port, starts = free_port(), iter(range(0, RECORDS, PER_REQUEST))
    acknowledged = list[int]()

    async def send(http: httpx2.AsyncClient) -> None:
        for start in starts:
            records = [{"number": number} for number in range(start, start + PER_REQUEST)]
            await _posted(http, port, records, key=str(start))
            acknowledged.extend(range(start, start + PER_REQUEST))

    limits = httpx2.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx2.AsyncClient(limits=limits, timeout=60) as http, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(send(http))
        for kill in range(KILLS + 1):
            enough = RECORDS * (kill + 1) // (KILLS + 1)
            with server(folder, port) as process:
                while len(acknowledged) < enough:  # noqa: ASYNC110  # many clients count
                    await asyncio.sleep(0.005)
                process.send_signal(signal.SIGKILL if kill < KILLS else signal.SIGTERM)
                process.wait(30)

    assert stored(folder) == list(range(RECORDS)) == sorted(acknowledged)


async def _posted(http: httpx2.AsyncClient, port: int, records: list[dict[str, int]], *, key: str) -> None:
    """Send until there is an answer."""
    while True:
        try:
            answer = await http.post(
                f"http://127.0.0.1:{port}/ingest/Clicks", json=records, headers={"Idempotency-Key": key}
            )
        except httpx2.TransportError:
            await asyncio.sleep(0.02)
        else:
            assert (answer.status_code, answer.text) == (200, "SUCCESS")
            return


async def test_ten_thousand_slow_connections_take_little_memory_and_nobody_waits(folder: Path) -> None:
    """Half of them stop in the headers, half in the body."""
    if raise_file_limit() < SLOW:
        pytest.skip(f"the system allows fewer than {SLOW} open files")
    port, head = free_port(), b"POST /ingest/Clicks HTTP/1.1\r\nHost: x\r\n"
    with server(folder, port) as process:
        before = psutil.Process(process.pid).memory_info().rss
        writers = list[asyncio.StreamWriter]()
        for number in range(SLOW):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head if number % 2 else head + b'Content-Length: 900\r\n\r\n{"num')
            writers.append(writer)
        async with httpx2.AsyncClient(timeout=60) as http:
            for number in range(50):
                await _posted(http, port, [{"number": number}], key=str(number))
        grown = psutil.Process(process.pid).memory_info().rss - before
        open_ones = sum(not writer.transport.is_closing() for writer in writers)
        for writer in writers:
            writer.transport.abort()

    assert grown < 250_000_000
    assert open_ones > SLOW / 2
    assert stored(folder) == list(range(50))


def test_it_ends_in_order_and_begins_again_with_what_it_has(folder: Path) -> None:
    port = free_port()
    for number in (1, 2):
        with server(folder, port) as process:
            answer = httpx2.post(f"http://127.0.0.1:{port}/ingest/Clicks", json={"number": number}, timeout=60)
            assert answer.text == "SUCCESS"
            process.terminate()
            assert process.wait(30) == 0

    assert stored(folder) == [1, 2]


def test_a_busy_port_is_told_with_its_setting(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(command(port), cwd=folder, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"error: port {port} is in use",
        "hint: [http_server_config] port in moose.config.toml, or --port",
    ]


def test_a_model_that_does_not_go_with_its_table_is_refused_with_the_difference(folder: Path) -> None:
    with server(folder, free_port()):
        pass
    (folder / "shop.py").write_text(CODE.replace("number: int", "number: str"))

    done = subprocess.run(command(free_port()), cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "table 'Clicks' holds rows of another shape: number is text, was integer" in done.stderr


def test_a_server_without_endpoints_says_so(folder: Path) -> None:
    (folder / "shop.py").write_text("")
    with server(folder, free_port()) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "  no endpoints\n"


def test_a_key_and_its_hash_are_made(folder: Path) -> None:
    line = [sys.executable, "-m", "moose_lib.cli", "generate", "hash-token"]
    text = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    document = subprocess.run([*line, "--json"], cwd=folder, capture_output=True, text=True, check=True)

    assert [it.rpartition(" ")[0] for it in text.stdout.splitlines()] == ["ENV API Key", "Bearer Token"]
    assert text.stderr.splitlines() == [
        "Token Generated successfully",
        f"hint: MOOSE_AUTHENTICATION__INGEST_API_KEY={text.stdout.split()[3]} moose-cli serve   (or …__ADMIN_API_KEY)",
    ]
    assert json.loads(document.stdout).keys() == {"api_key_hash", "bearer_token"}
