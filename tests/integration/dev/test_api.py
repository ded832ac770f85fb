"""The HTTP server of a session: it is there, stays there through saves and crashes, and goes with the session."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from tests.integration.dev.harness import exists, kill, project_in, session, until

from moose_lib.dev import run_dev
from moose_lib.dev.events import (
    CodeRefused,
    DevReady,
    ProcessDied,
    ProcessReady,
    ProcessStarted,
    ProcessStopped,
    Reloaded,
)
from moose_lib.errors import PortBusy, SettingsError

if TYPE_CHECKING:
    from tests.integration.dev.harness import Dev

    from moose_lib.project.loader import Project

MODEL = """
from pydantic import BaseModel
from moose_lib import IngestPipeline

class Click(BaseModel):
    number: int

IngestPipeline[Click]("Clicks")
"""


def stored(folder: Path) -> list[int]:
    connection = sqlite3.connect(folder / ".moose" / "store.db")
    try:
        return [row[0] for row in connection.execute("SELECT number FROM Clicks ORDER BY number")]
    finally:
        connection.close()


async def post(project: Project, number: int, name: str = "Clicks") -> tuple[int, str]:
    async with httpx2.AsyncClient(timeout=60) as http:
        url = f"http://127.0.0.1:{project.settings.server.port}/ingest/{name}"
        answer = await http.post(url, json={"number": number})
        return answer.status_code, answer.text


async def is_served(dev: Dev) -> int:
    await dev.next(ProcessReady, lambda ready: ready.source == "server")
    return next(it.pid for it in reversed(dev.all(ProcessStarted)) if it.source == "server")


async def test_records_are_taken_from_the_moment_that_it_is_told_where(tmp_path: Path) -> None:
    project = project_in(tmp_path, MODEL)
    async with session(project, has_server=True) as dev:
        facts = (await dev.next(DevReady)).facts
        answer = await post(project, 1)

    assert facts.api_url == f"http://localhost:{project.settings.server.port}"
    assert answer == (200, "SUCCESS")
    assert stored(tmp_path) == [1]


async def test_it_stops_after_the_worker_and_before_temporal(tmp_path: Path) -> None:
    async with session(project_in(tmp_path, MODEL), has_server=True) as dev:
        await is_served(dev)
        dev.stop.set()
        stopped = [(await dev.next(ProcessStopped)).source for _ in range(3)]

    assert stopped == ["worker", "server", "temporal"]


async def test_a_killed_server_comes_back_and_who_called_meanwhile_waits(tmp_path: Path) -> None:
    project = project_in(tmp_path, MODEL)
    async with session(project, has_server=True) as dev:
        pid = await is_served(dev)
        kill(pid, signal.SIGKILL)
        death = await dev.next(ProcessDied)
        answer = await post(project, 2)

    assert (death.source, death.exit.signal) == ("server", "SIGKILL")
    assert answer == (200, "SUCCESS")


async def test_a_save_brings_a_server_with_the_new_models_and_nobody_is_refused(tmp_path: Path) -> None:
    project = project_in(tmp_path, MODEL)
    async with session(project, has_server=True) as dev:
        pid = await is_served(dev)
        sent = asyncio.create_task(many(project, dev))
        (tmp_path / "flow.py").write_text(MODEL + '\nIngestPipeline[Click]("Views")\n')
        await dev.next(Reloaded)
        await until(lambda: not exists(pid))
        added = await post(project, 3, "Views")
        numbers = await sent

    assert added == (200, "SUCCESS")
    assert stored(tmp_path) == numbers


async def many(project: Project, dev: Dev) -> list[int]:
    """Records one after the other, until a save has been served."""
    numbers = list[int]()
    while len(dev.all(ProcessStopped)) < 2:  # the old worker and the old server
        number = len(numbers) + 10
        assert await post(project, number) == (200, "SUCCESS")
        numbers.append(number)
    return numbers


async def test_a_model_that_would_lose_data_leaves_the_old_server_at_work(tmp_path: Path) -> None:
    project = project_in(tmp_path, MODEL)
    async with session(project, has_server=True) as dev:
        pid = await is_served(dev)
        await post(project, 4)
        (tmp_path / "flow.py").write_text(MODEL.replace("number: int", "number: str"))
        refusal = await dev.next(CodeRefused)
        answer = await post(project, 5)

    assert (refusal.source, refusal.serving) == ("server", pid)
    assert "number is text, was integer" in refusal.text
    assert answer == (200, "SUCCESS")
    assert stored(tmp_path) == [4, 5]


async def test_code_that_never_loaded_is_told_to_callers_until_it_does(tmp_path: Path) -> None:
    """At once, with the reason of now; the port is there, so a caller would wait for a save without it."""
    project = project_in(tmp_path, "import nix_da")
    async with session(project, is_real=True, has_server=True) as dev:
        facts = (await dev.next(DevReady)).facts
        first = await post(project, 6)
        (tmp_path / "flow.py").write_text("1 / 0")
        await dev.next(CodeRefused)
        second = await post(project, 6)
        (tmp_path / "flow.py").write_text(MODEL)
        pid = await is_served(dev)
        third = await post(project, 6)

    assert (facts.worker_pid, facts.server_pid) == (None, None)
    assert first[0] == second[0] == 503
    assert json.loads(first[1])["error"] == {
        "code": "not-serving",
        "message": f"no server runs: {tmp_path / 'flow.py'} does not import; "
        "ModuleNotFoundError: No module named 'nix_da'",
        "hint": "mend it and save; moose-cli dev shows all of it",
    }
    assert "ZeroDivisionError: division by zero" in second[1]
    assert pid
    assert third == (200, "SUCCESS")


async def test_a_server_that_dies_at_its_start_is_told_to_callers(tmp_path: Path) -> None:
    """Until it starts: what was in its way may go away by itself."""
    project = project_in(tmp_path, MODEL)
    file = tmp_path / ".moose" / "store.db"
    file.parent.mkdir()
    file.write_text("no database, but a text that is as long as its head would be")
    async with session(project, has_server=True) as dev:
        death = await dev.next(ProcessDied)
        refused = await post(project, 9)
        file.unlink()
        await is_served(dev)
        mended = await post(project, 9)

    assert (death.source, death.exit.code) == ("server", 1)
    assert refused[0] == 503
    assert f"no server runs: {file} cannot be read: file is not a database" in refused[1]
    assert mended == (200, "SUCCESS")


async def test_a_model_that_its_table_refuses_at_the_first_start_is_told_to_callers(tmp_path: Path) -> None:
    """The worker has nothing against it."""
    project = project_in(tmp_path, MODEL)
    async with session(project, has_server=True) as dev:
        await is_served(dev)
        await post(project, 7)
    (tmp_path / "flow.py").write_text(MODEL.replace("number: int", "number: str"))
    async with session(project, has_server=True) as dev:
        facts = (await dev.next(DevReady)).facts
        refused = await post(project, 8)
        (tmp_path / "flow.py").write_text(MODEL)
        await is_served(dev)
        mended = await post(project, 8)

    assert facts.worker_pid is not None
    assert facts.server_pid is None
    assert refused[0] == 503
    assert "no server runs: table 'Clicks' holds rows of another shape: number is text, was integer" in refused[1]
    assert mended == (200, "SUCCESS")


async def test_ports_that_are_taken_or_the_same_are_told(tmp_path: Path) -> None:
    project = project_in(tmp_path, MODEL)
    with socket.create_server(("127.0.0.1", project.settings.server.port)), pytest.raises(PortBusy) as busy:
        await run_dev(project, on_event=lambda _: None, stop=asyncio.Event())
    server = project.settings.server.model_copy(update={"port": project.settings.temporal.port})
    settings = project.settings.model_copy(update={"server": server})
    with pytest.raises(SettingsError, match="is asked for twice"):
        await run_dev(replace(project, settings=settings), on_event=lambda _: None, stop=asyncio.Event())

    assert f"moose-cli dev --port {project.settings.server.port + 1}" in str(busy.value.hint)
