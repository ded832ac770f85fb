"""A development session in this process, observed through its events."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil
from tests.integration.conftest import free_port

from moose_lib.dev import run_dev
from moose_lib.dev.events import DevEvent, OutputLine, ProcessStarted
from moose_lib.project.loader import Project, find_project

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import pytest

PATIENCE = 60
FAKE_WORKER = str(Path(__file__).with_name("fake_worker.py"))
EXTERNAL = '[dev]\ntemporal = "external"\n'

Event = TypeVar("Event", bound=DevEvent)


class Dev:
    """The events of a session so far, and waiting for the next ones."""

    def __init__(self) -> None:
        self.events: list[DevEvent] = []
        self._seen = 0
        self._changed = asyncio.Event()
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()

    def note(self, event: DevEvent) -> None:
        self.events.append(event)
        self._changed.set()

    async def next(self, kind: type[Event], where: Callable[[Event], bool] = lambda _: True) -> Event:
        """Wait for the next event of a kind after the last one waited for so."""
        position, event = await self._find(self._seen, kind, where)
        self._seen = position + 1
        return event

    async def line(self, text: str) -> OutputLine:
        """Wait for the first line of output with this text in it; output has no order among the other events."""
        return (await self._find(0, OutputLine, lambda line: text in line.text))[1]

    async def _find(self, position: int, kind: type[Event], where: Callable[[Event], bool]) -> tuple[int, Event]:
        async with asyncio.timeout(PATIENCE):
            while True:
                self._changed.clear()
                for index, event in enumerate(self.events[position:], position):
                    if isinstance(event, kind) and where(event):
                        return index, event
                await self._changed.wait()

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def session(project: Project, *, is_real: bool = False, has_server: bool = False) -> AsyncGenerator[Dev, None]:
    """Run a session for the time of the block; afterwards nothing that it started may be alive."""
    dev = Dev()
    worker = None if is_real else (sys.executable, FAKE_WORKER, str(project.entry))
    server = None if has_server else ()
    running = asyncio.create_task(
        run_dev(project, on_event=dev.note, stop=dev.stop, hurry=dev.hurry, worker=worker, server=server)
    )
    running.add_done_callback(lambda _: dev.stop.set())
    try:
        yield dev
    finally:
        dev.stop.set()
        await running
    assert running.result() == 0
    assert [event.pid for event in dev.all(ProcessStarted) if psutil.pid_exists(event.pid)] == []


def project_in(folder: Path, code: str = "VERSION = 1", config: str = "", **overrides: object) -> Project:
    """Make a single file's project on free ports."""
    (folder / "flow.py").write_text(code)
    (folder / "moose.config.toml").write_text(config)
    return reread(folder, **overrides)


def reread(folder: Path, **overrides: object) -> Project:
    """The same project, with other flags."""
    port, ui_port, api_port = free_ports(3)
    flags = {"temporal_port": port, "ui_port": ui_port} | overrides
    keys = {f"temporal_config.{key}": value for key, value in flags.items()} | {"http_server_config.port": api_port}
    return find_project(folder, folder / "flow.py", overrides=keys)


def free_ports(count: int) -> list[int]:
    ports = set[int]()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something outside of this process is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # no event comes from there
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(project: Project) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """Run `serve` in a process of its own, in its own process group, ready to work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("serve_here.py")),
        str(project.entry),
        str(project.settings.temporal.port),
        str(project.settings.temporal.ui_port),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process, kind: str) -> dict[str, int]:
    """Wait until a served session tells an event of this kind; returns its numbers."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stdout:
            record = json.loads(line)
            if record.pop("kind") == kind:
                return dict[str, int](record)
    raise AssertionError(f"it ended without {kind}")


def kill_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give workers that were told to give up all the time they need on a slow machine."""
    monkeypatch.setattr("moose_lib.dev.worker.MARGIN", timedelta(seconds=PATIENCE))


def exists(pid: int) -> bool:
    """Whether a process lives; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pid: int, number: int) -> None:
    os.kill(pid, number)
