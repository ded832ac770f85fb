"""The session's address for Prometheus: it outlives its workers, and so does what they counted."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.conftest import free_port
from tests.integration.dev.harness import kill, project_in, session
from tests.integration.dev.test_real_worker import flow, start

from moose_lib.dev.events import DevReady, ProcessDied, ProcessReady, ProcessStopped, Reloaded
from moose_lib.errors import PortBusy
from moose_lib.project.loader import Project, find_project

RUNS = "moose_runs_ended_total"


def _values(url: str, name: str) -> list[float]:
    with urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return [sample.value for family in families for sample in family.samples if sample.name == name]


async def total(url: str | None, name: str) -> float:
    assert url is not None
    return sum(await asyncio.to_thread(_values, url, name))


async def until_total(url: str | None, name: str, expected: float) -> None:
    async with asyncio.timeout(60):
        while await total(url, name) != expected:  # noqa: ASYNC110  # no event comes from there
            await asyncio.sleep(0.05)


async def test_counts_outlive_a_reload_and_a_killed_worker(tmp_path: Path) -> None:
    """On one port, which answers at every moment; what a dead worker alone could say is gone with it."""
    (tmp_path / "go").touch()
    async with session(project_in(tmp_path, flow("v1")), is_real=True) as dev:
        facts = (await dev.next(DevReady)).facts
        await start(facts.temporal_address, "one")
        await until_total(facts.metrics_url, RUNS, 1)
        (tmp_path / "flow.py").write_text(flow("v2"))
        reloaded = await dev.next(Reloaded)
        await dev.next(ProcessStopped, lambda stopped: stopped.source == "worker")
        after_reload = await total(facts.metrics_url, RUNS)
        await start(facts.temporal_address, "two")
        await until_total(facts.metrics_url, RUNS, 2)
        kill(reloaded.pid, signal.SIGKILL)
        await dev.next(ProcessDied)
        after_kill = await total(facts.metrics_url, RUNS), await total(facts.metrics_url, "moose_workers")
        await dev.next(ProcessReady)
        await until_total(facts.metrics_url, "moose_workers", 1)
        await start(facts.temporal_address, "three")
        await until_total(facts.metrics_url, RUNS, 3)

    assert after_reload == 1
    assert after_kill == (2, 0)
    with pytest.raises(URLError):
        await total(facts.metrics_url, RUNS)


async def test_a_new_session_counts_from_the_begin(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    for run in ("one", "two"):
        async with session(project_in(tmp_path, flow("v1")), is_real=True) as dev:
            facts = (await dev.next(DevReady)).facts
            await start(facts.temporal_address, run)
            await until_total(facts.metrics_url, RUNS, 1)


def _on(port: int, folder: Path) -> Project:
    (folder / "flow.py").write_text("VERSION = 1")
    temporal = {"temporal_config.temporal_port": free_port(), "temporal_config.ui_port": free_port()}
    return find_project(folder, folder / "flow.py", overrides={**temporal, "metrics.port": port})


async def test_a_port_that_is_named_is_taken_or_refused(tmp_path: Path) -> None:
    port, other = free_port(), tmp_path / "other"
    other.mkdir()
    async with session(_on(port, tmp_path)) as dev:
        facts = (await dev.next(DevReady)).facts
        with pytest.raises(PortBusy) as refused:
            async with session(_on(port, other)):
                pass

    assert facts.metrics_url == f"http://localhost:{port}/metrics"
    assert str(refused.value).startswith(f"port {port} is in use by process")
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("moose-cli dev --metrics-port ")


async def test_without_a_name_the_next_free_port_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several projects are developed at a time."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("moose_lib.dev.metrics.DEFAULT_METRICS_PORT", port)
        async with session(project_in(tmp_path)) as dev:
            facts = (await dev.next(DevReady)).facts

    assert facts.metrics_url is not None
    assert port < int(facts.metrics_url.split(":")[2].partition("/")[0]) < port + 100


async def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    async with session(project_in(tmp_path, config="[metrics]\nenabled = false\n")) as dev:
        facts = (await dev.next(DevReady)).facts

    assert facts.metrics_url is None
    assert not (tmp_path / ".moose" / "metrics").exists()
