"""`python -m benchmarks.ingest`: what it costs that records are kept.

Single records: `moose-cli serve` against the same ASGI server with the same model that throws them away. Batches of
1,000: the same bodies read with `json.loads` and written by one `executemany` and one commit each into the same table.
Both keep what they answer with `synchronous=FULL`. The sides take turns; a ratio is the median of the rounds' own
ratios.
"""

import argparse
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.clicks import record
from benchmarks.load import requests_per_second
from benchmarks.processes import end_on_sigterm, free_ports

CONNECTIONS = 32
BATCH = 1000
SINGLE_BAR, BATCH_BAR = 0.6, 0.5
#: The same as the store's own table for the model.
PEER_TABLE = """CREATE TABLE clicks (_id INTEGER PRIMARY KEY, user_id TEXT, page TEXT, count INTEGER, share REAL,
    at TEXT, _ingested_at TEXT NOT NULL) STRICT"""
PEER_INSERT = "INSERT INTO clicks (user_id, page, count, share, at, _ingested_at) VALUES (?, ?, ?, ?, ?, ?)"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description="what keeping records costs")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians over (default: 5)")
    options = parser.parse_args()
    end_on_sigterm()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moose-bench-")))
        ours, peer = free_ports(2)
        stack.enter_context(serving(ours, folder))
        stack.enter_context(running(peer, [sys.executable, "-m", "benchmarks.discarding", str(peer)]))
        single, batches = measure(ours, peer, folder, options.rounds)
    print(
        f"\ningest, load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, medians of {options.rounds} rounds"
    )
    tell("single records", "validating and discarding", single, SINGLE_BAR)
    tell("batches of 1,000", "json.loads and SQLite alone", batches, BATCH_BAR)
    return 0


def measure(ours: int, peer: int, folder: Path, rounds: int) -> tuple[list[tuple[float, float]], ...]:
    """Records per second of both sides, round by round."""
    single = [json.dumps(record(number)).encode() for number in range(4000)]
    batches = [
        json.dumps([record(number) for number in range(at, at + BATCH)]).encode() for at in range(0, 100_000, BATCH)
    ]
    found = list[tuple[float, float]](), list[tuple[float, float]]()
    for number in range(rounds + 1):
        one = requests_per_second(peer, single, CONNECTIONS), requests_per_second(ours, single, CONNECTIONS)
        many = fed(folder / f"peer{number}.db", batches), BATCH * requests_per_second(ours, batches, 4)
        if number:  # the first warms up
            found[0].append(one)
            found[1].append(many)
    return found


def fed(path: Path, batches: list[bytes]) -> float:
    """Rows per second of a loop that does nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(PEER_TABLE)
    begun = time.perf_counter()
    for batch in batches:
        now = datetime.now(UTC).isoformat()
        rows = [(*row.values(), now) for row in json.loads(batch)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(PEER_INSERT, rows)
        connection.execute("COMMIT")
    took = time.perf_counter() - begun
    connection.close()
    return BATCH * len(batches) / took


@contextmanager
def serving(port: int, folder: Path) -> Iterator[None]:
    (folder / "app.py").write_text("import benchmarks.clicks\n")
    command = [sys.executable, "-m", "moose_lib.cli", "serve", str(folder / "app.py"), "--port", str(port)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "MOOSE_STORE__PATH": str(folder / "store.db")}
    with running(port, command, environment):
        yield


@contextmanager
def running(port: int, command: list[str], environment: dict[str, str] | None = None) -> Iterator[None]:
    process = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL)
    try:
        until_it_listens(port)
        yield
    finally:
        process.terminate()
        process.wait(20)


def until_it_listens(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on {port}")


def tell(name: str, peer: str, found: list[tuple[float, float]], bar: float) -> None:
    theirs, ours = (statistics.median(side) for side in zip(*found, strict=True))
    ratios = sorted(mine / other for other, mine in found)
    ratio = statistics.median(ratios)
    verdict = "met" if ratio >= bar else "NOT met"
    print(
        f"  {name:<17} {ours:>9,.0f} records/s, {peer} {theirs:>9,.0f}; ratio {ratio:.2f}"
        f" ({ratios[0]:.2f} to {ratios[-1]:.2f}), bar >= {bar}: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
