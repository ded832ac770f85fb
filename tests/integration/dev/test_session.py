"""A whole session on the real Temporal server: what runs, what survives, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.integration.dev.harness import (
    EXTERNAL,
    exists,
    free_ports,
    kill,
    kill_late,
    project_in,
    reread,
    served,
    session,
    told,
    until,
)

from moose_lib.dev import run_dev
from moose_lib.dev.events import (
    DevEvent,
    DevReady,
    ProcessDied,
    ProcessReady,
    ProcessStarted,
    ProcessStopped,
    Stopping,
)
from moose_lib.dev.temporal import find_binary
from moose_lib.errors import AlreadyRunning, EngineFailed, PortBusy, SettingsError
from moose_lib.project.running import find_running
from moose_lib.project.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from moose_lib.project.loader import Project


def temporal(address: str | None, *arguments: str) -> str:
    command = [str(find_binary()), *arguments, "--address", str(address)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def open_runs(address: str | None) -> set[str]:
    answer = temporal(address, "workflow", "list", "--output", "json")
    return {run["execution"]["workflowId"] for run in json.loads(answer)}


def start_run(address: str | None, workflow_id: str) -> None:
    temporal(address, "workflow", "start", "--type", "orders", "--task-queue", "moose", "--workflow-id", workflow_id)


async def run_until_it_fails(project: Project) -> None:
    async with session(project) as dev:
        await dev.stop.wait()


async def test_a_session_tells_what_runs_where(tmp_path: Path) -> None:
    """The facts of the banner: addresses, database, processes, workflows."""
    project = project_in(tmp_path)
    async with session(project) as dev:
        facts = (await dev.next(DevReady)).facts

        assert facts.temporal_address == f"127.0.0.1:{project.settings.temporal.port}"
        assert facts.ui_url == f"http://localhost:{project.settings.temporal.ui_port}"
        assert facts.db_file == tmp_path / ".moose" / "temporal.db"
        assert (tmp_path / ".moose" / "temporal.db").exists()
        assert facts.workflows == ("orders",)
        assert facts.temporal_pid is not None
        assert facts.worker_pid is not None
        assert (tmp_path / ".moose" / ".gitignore").read_text() == "*\n"


async def test_the_worker_is_led_to_the_sessions_temporal(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    async with session(project) as dev:
        line = await dev.line("version 1")

        assert line.text.endswith(f"address {project.settings.temporal.port}")


async def test_other_commands_of_the_project_find_a_session_with_ports_from_flags(tmp_path: Path) -> None:
    """`workflow run` in another terminal needs no flags; after the session it is as if it had never been."""
    project = project_in(tmp_path, config='[temporal_config]\ntemporal_port = 7777\nclient_cert = "cloud.pem"\n')
    async with session(project) as dev:
        facts = (await dev.next(DevReady)).facts
        seen = load_settings(tmp_path)

        assert seen.temporal.address == facts.temporal_address
        assert seen.temporal.tls is False
        assert "the running moose-cli dev" in seen.sources["temporal_config.temporal_port"]

    assert load_settings(tmp_path).temporal.port == 7777


async def test_a_killed_temporal_is_restarted_and_keeps_the_runs(tmp_path: Path) -> None:
    async with session(project_in(tmp_path)) as dev:
        facts = (await dev.next(DevReady)).facts
        start_run(facts.temporal_address, "kept")
        assert facts.temporal_pid is not None
        kill(facts.temporal_pid, signal.SIGKILL)

        death = await dev.next(ProcessDied)
        assert (death.source, death.exit.signal) == ("temporal", "SIGKILL")
        await dev.next(ProcessReady, lambda ready: ready.source == "temporal")
        await until(lambda: open_runs(facts.temporal_address) == {"kept"})  # lists lag behind


async def test_runs_survive_a_restart_of_the_session(tmp_path: Path) -> None:
    async with session(project_in(tmp_path)) as dev:
        start_run((await dev.next(DevReady)).facts.temporal_address, "kept")

    async with session(reread(tmp_path)) as dev:
        address = (await dev.next(DevReady)).facts.temporal_address
        await until(lambda: open_runs(address) == {"kept"})


async def test_the_worker_stops_before_temporal(tmp_path: Path) -> None:
    """So that it can give its tasks back."""
    async with session(project_in(tmp_path)) as dev:
        await dev.next(DevReady)
        dev.stop.set()
        await dev.next(Stopping)

        assert (await dev.next(ProcessStopped)).source == "worker"
        assert (await dev.next(ProcessStopped)).source == "temporal"


async def test_a_second_session_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    async with served(project_in(tmp_path)) as first:
        await told(first, "DevReady")

        with pytest.raises(AlreadyRunning) as refusal:
            await run_until_it_fails(reread(tmp_path))
        assert refusal.value.pid == first.pid


@pytest.mark.parametrize("key", ["temporal_port", "ui_port"])
async def test_a_busy_port_names_holder_and_setting(tmp_path: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortBusy) as refusal:
            await run_until_it_fails(project_in(tmp_path, **{key: port}))

    assert refusal.value.port == port
    assert f"process {os.getpid()} (" in str(refusal.value)
    assert refusal.value.hint is not None
    assert f"--{key.replace('_', '-')} " in refusal.value.hint
    assert f"MOOSE_TEMPORAL_CONFIG__{key.upper()}" in refusal.value.hint
    assert not (tmp_path / ".moose").exists()


async def test_one_port_for_two_things_is_refused(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with pytest.raises(SettingsError, match="both"):
        await run_until_it_fails(project_in(tmp_path, temporal_port=port, ui_port=port))


@pytest.mark.parametrize("variable", ["MOOSE_TEMPORAL_CONFIG__TEMPORAL_HOST", "TEMPORAL_ADDRESS"])
async def test_settings_that_point_elsewhere_are_not_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Commands would start runs there while the worker polls here."""
    address = "cluster.example:7233" if variable == "TEMPORAL_ADDRESS" else "cluster.example"
    monkeypatch.setenv(variable, address)
    with pytest.raises(SettingsError, match=f"'cluster.example' .from {variable}.") as refusal:
        await run_until_it_fails(project_in(tmp_path))
    assert "external" in str(refusal.value.hint)


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".moose").write_text("not a folder")
    with pytest.raises(SettingsError, match=r"\.moose cannot be written"):
        await run_until_it_fails(project_in(tmp_path))


async def test_an_external_temporal_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "cluster.example:7233")
    project = project_in(tmp_path, config=EXTERNAL, temporal_port=None)
    async with session(project) as dev:
        facts = (await dev.next(DevReady)).facts

        assert (facts.temporal_address, facts.temporal_pid, facts.ui_url) == ("cluster.example:7233", None, None)
        running = find_running(tmp_path)
        assert running is not None
        assert running.address is None


async def test_a_temporal_that_does_not_start_is_told_with_its_words(tmp_path: Path) -> None:
    (tmp_path / ".moose").mkdir()
    (tmp_path / ".moose" / "temporal.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(EngineFailed, match="not a database"):
        await run_until_it_fails(project_in(tmp_path))


async def test_kill_minus_nine_of_the_session_leaves_no_orphan(tmp_path: Path) -> None:
    async with served(project_in(tmp_path)) as dev:
        pids = await told(dev, "DevReady")
        dev.kill()
        await dev.wait()

        await until(lambda: not any(exists(pid) for pid in pids.values()))
    assert find_running(tmp_path) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    async with served(project_in(tmp_path)) as dev:
        pids = await told(dev, "DevReady")
        dev.send_signal(number)

        assert await dev.wait() == 0
        assert [pid for pid in pids.values() if exists(pid)] == []


async def test_a_second_signal_cuts_the_grace_period(tmp_path: Path) -> None:
    project = project_in(tmp_path, "LINGER = True", '[dev]\nstop_grace_period = "1h"\n')
    async with served(project) as dev:
        await told(dev, "DevReady")
        dev.send_signal(signal.SIGINT)
        await told(dev, "Stopping")
        dev.send_signal(signal.SIGINT)

        async with asyncio.timeout(30):
            assert await dev.wait() == 0


async def test_a_listener_that_fails_ends_the_session(tmp_path: Path) -> None:
    """As a closed pipe does: in order, with its error, and nothing is left."""
    started: list[int] = []

    def fail(event: DevEvent) -> None:
        if isinstance(event, ProcessStarted):
            started.append(event.pid)
        if isinstance(event, ProcessReady):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await run_dev(project_in(tmp_path), on_event=fail, stop=asyncio.Event())
    assert [exists(pid) for pid in started] == [False]


async def test_a_second_interrupt_while_stopping_is_possible_from_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_late(monkeypatch)
    project = project_in(tmp_path, "LINGER = True", f'{EXTERNAL}stop_grace_period = "1h"\n')
    async with session(project) as dev:
        await dev.next(DevReady)
        dev.stop.set()
        await dev.line("lingering")
        dev.hurry.set()

        await dev.line("hurried")


@pytest.mark.parametrize("kind", [Stopping, ProcessStarted, ProcessReady])
async def test_an_interrupt_at_any_moment_leaves_nothing(tmp_path: Path, kind: type[DevEvent]) -> None:
    """Before anything is started, while Temporal starts, while the worker starts."""
    async with session(project_in(tmp_path)) as dev:
        if kind is not Stopping:
            await dev.next(kind)
        dev.stop.set()
