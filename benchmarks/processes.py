"""Servers, workers and clients of the benchmark: child processes that end with it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Ask, Timing
from moose_lib.dev.logfile import LogFile
from moose_lib.dev.temporal import TemporalServer, find_binary

HOST = "127.0.0.1"
STOP_SECONDS = 10


@dataclass(frozen=True)
class ClientProcess:
    """A process that starts runs for one side; it answers one order at a time."""

    process: subprocess.Popen[str]

    def measure(self, ask: Ask) -> Timing:
        assert self.process.stdin is not None, "opened as a pipe"
        self.process.stdin.write(ask.model_dump_json() + "\n")
        self.process.stdin.flush()
        return Timing.model_validate_json(_line(self.process))


@contextmanager
def tuned_server(directory: Path) -> Iterator[str]:
    """The embedded server exactly as `moose-cli dev` starts it; yields its address."""
    port, ui_port = free_ports(2)
    with LogFile(directory / "temporal.log") as log:
        server = TemporalServer(
            directory=directory,
            port=port,
            ui_port=ui_port,
            namespace="default",
            durability="normal",
            environment={},
            log=log,
            on_event=lambda _event: None,
        )
        with _server(list(server.command(find_binary())), directory):
            yield f"{HOST}:{port}"


@contextmanager
def stock_server(directory: Path) -> Iterator[str]:
    """`temporal server start-dev --db-filename` with nothing else but its ports; yields its address."""
    port, ui_port = free_ports(2)
    command = [str(find_binary()), "server", "start-dev", "--db-filename", str(directory / "stock.db")]
    with _server([*command, "--ip", HOST, "--port", str(port), "--ui-port", str(ui_port)], directory):
        yield f"{HOST}:{port}"


@contextmanager
def moose_worker(address: str) -> Iterator[None]:
    from benchmarks.with_moose import worker_command, worker_environment

    read, write = os.pipe()
    process = subprocess.Popen(worker_command(write), env=worker_environment(address), pass_fds=[write])
    os.close(write)
    with _ended(process), os.fdopen(read) as ready:
        if not ready.readline().startswith("ready"):
            raise RuntimeError("the Moose worker did not start")
        yield


@contextmanager
def by_hand_worker(address: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.by_hand", address]
    with _ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        _expect_ready(process)
        yield


@contextmanager
def client(side: str, address: str) -> Iterator[ClientProcess]:
    command = [sys.executable, "-m", "benchmarks.client", side, address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with _ended(process):
        _expect_ready(process)
        yield ClientProcess(process)


def end_on_sigterm() -> None:
    """Let a SIGTERM end the children, too, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports: list[int] = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@contextmanager
def _server(command: list[str], directory: Path) -> Iterator[None]:
    """Run a server until the block ends; it is ready once it has printed its banner."""
    log = directory / "output.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True, cwd=directory)
        with _ended(process):
            while not _line(process).startswith("Temporal Server:"):
                pass
            threading.Thread(target=shutil.copyfileobj, args=(process.stdout, output), daemon=True).start()
            yield


@contextmanager
def _ended(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process  # type: ignore[misc]  # only those opened as text are read
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _expect_ready(process: subprocess.Popen[str]) -> None:
    if _line(process).strip() != "ready":
        raise RuntimeError(f"{process.args!r} did not get ready")


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None, "opened as a pipe"
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended: exit code {process.wait()}")
    return line
