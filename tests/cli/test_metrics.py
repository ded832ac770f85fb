"""Metrics of real workers, fetched as Prometheus does."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.conftest import Cli, start_worker
from tests.cli.polling import wait_for
from tests.integration.conftest import free_port, temporal_server

CODE = Path(__file__).with_name("traced.py")


def scrape(port: int) -> dict[str, float]:
    """All samples by name and labels: `moose_workers{state=working}`."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = dict[str, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@contextmanager
def working(cli: Cli, *arguments: str) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """A worker and the lines it begins with."""
    worker = cli.start("worker", *arguments)
    assert worker.stdout is not None
    lines = [worker.stdout.readline().rstrip("\n")]
    while lines[-1] and not lines[-1].startswith("metrics: "):
        lines.append(worker.stdout.readline().rstrip("\n"))
    try:
        yield worker, lines
    finally:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)


@pytest.fixture
def shop(server: int, tmp_path: Path) -> Cli:
    """A project of its own on a queue of its own."""
    (tmp_path / "app").mkdir()
    (tmp_path / "moose.config.toml").write_text("")
    (tmp_path / "app" / "main.py").write_text(CODE.read_text())
    return Cli(
        folder=tmp_path,
        environment={
            "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
            "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": f"metrics-{uuid.uuid4().hex[:8]}",
        },
    )


def run(cli: Cli, **order: object) -> None:
    done = cli("workflow", "run", "Shop", "--input", json.dumps(order), "--wait")
    assert done.code == 0, done.err


def test_a_worker_tells_what_it_has_done(shop: Cli) -> None:
    port = free_port()
    with working(shop, "--metrics-port", str(port)) as (_, lines):
        run(shop, attempts=3)
        seen = scrape(port)

    assert lines[-1] == f"metrics: http://localhost:{port}/metrics"
    assert seen["moose_runs_started_total{workflow=Shop}"] == 1
    assert seen["moose_runs_ended_total{state=completed,workflow=Shop}"] == 1
    assert seen["moose_tasks_ended_total{state=completed,task=charge,workflow=Shop}"] == 1
    assert seen["moose_task_attempts_total{outcome=retried,task=charge,workflow=Shop}"] == 2
    assert seen["moose_task_attempts_total{outcome=completed,task=charge,workflow=Shop}"] == 1
    assert seen["moose_task_queue_wait_seconds_count{workflow=Shop}"] == 4
    assert seen["moose_task_attempts_running{task=charge,workflow=Shop}"] == 0
    assert seen["moose_workers{state=working}"] == 1
    assert seen["moose_worker_slots{}"] == 100
    assert seen["moose_temporal_up{}"] == 1
    assert seen["moose_task_queue_backlog{kind=task}"] == 0
    assert seen["process_cpu_seconds_total{}"] > 0


def test_metrics_of_users_are_there_too(shop: Cli) -> None:
    """Made with prometheus-client, as always."""
    port = free_port()
    with working(shop, "--metrics-port", str(port)):
        run(shop)

        assert scrape(port)["shop_payments_total{}"] == 1


def test_a_draining_worker_says_so_until_it_is_gone(shop: Cli) -> None:
    port = free_port()
    with working(shop, "--metrics-port", str(port)) as (worker, _):
        started = shop("workflow", "run", "Shop", "--input", '{"waits": true}')
        assert started.code == 0
        wait_for((shop.folder / "app" / "charging").exists)
        running = scrape(port)["moose_task_attempts_running{task=charge,workflow=Shop}"]
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: scrape(port)["moose_workers{state=draining}"] == 1)
        (shop.folder / "app" / "go").touch()
        worker.wait(30)

    assert running == 1


def test_two_workers_of_a_machine_have_a_port_each(shop: Cli) -> None:
    """Together they have seen everything once."""
    ports = [free_port(), free_port()]
    with working(shop, "--metrics-port", str(ports[0])), working(shop, "--metrics-port", str(ports[1])):
        for _ in range(4):
            run(shop)
        seen = [scrape(port) for port in ports]

    def total(name: str) -> float:
        return sum(each[name] for each in seen)

    assert total("moose_runs_ended_total{state=completed,workflow=Shop}") == 4
    assert total("moose_task_attempts_total{outcome=completed,task=charge,workflow=Shop}") == 4


def test_a_port_that_is_taken_is_refused_with_its_holder(shop: Cli) -> None:
    port = free_port()
    with working(shop, "--metrics-port", str(port)) as (worker, _):
        done = shop("worker", "--metrics-port", str(port))

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: port {port} is in use by process {worker.pid} (")
    assert "hint: moose-cli worker --metrics-port " in done.err
    assert done.err.endswith(", or port in [metrics] of moose.config.toml, or MOOSE_METRICS__PORT\n")


def test_a_host_that_is_not_of_this_machine_is_refused(shop: Cli) -> None:
    (shop.folder / "moose.config.toml").write_text(f'[metrics]\nhost = "192.0.2.1"\nport = {free_port()}\n')
    done = shop("worker")

    assert (done.code, done.err) == (
        2,
        "error: metrics cannot be served on '192.0.2.1': Cannot assign requested address\n",
    )


def test_lines_that_nobody_kept_are_counted(shop: Cli) -> None:
    port = free_port()
    (shop.folder / "moose.config.toml").write_text(f"[logger]\nburst = 10\n[metrics]\nport = {port}\n")
    code = (shop.folder / "app" / "main.py").read_text()
    (shop.folder / "app" / "main.py").write_text(code.replace('own_span("on-loop")', 'print("line\\n" * 1000)'))
    with working(shop):
        run(shop)
        seen = scrape(port)

    assert 0 < seen["moose_task_log_lines_dropped_total{task=charge,workflow=Shop}"] < 1000


def test_what_the_sdk_counts_has_a_port_of_its_own(shop: Cli) -> None:
    port = free_port()
    measured = Cli(folder=shop.folder, environment={**shop.environment, "MOOSE_METRICS__SDK_PORT": str(port)})
    worker = start_worker(measured)
    names = {name.partition("{")[0] for name in scrape(port)}
    refused = measured("worker")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)

    assert "temporal_request_total" in names
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: the SDK's metrics cannot be served on 127.0.0.1:{port}: ")
    assert refused.err.endswith(
        "hint: another port: sdk_port in [metrics] of moose.config.toml, or MOOSE_METRICS__SDK_PORT\n"
    )


def test_a_worker_serves_nothing_unless_it_is_asked(shop: Cli) -> None:
    worker = shop.start("worker")
    assert worker.stdout is not None
    lines = [worker.stdout.readline(), worker.stdout.readline()]
    listening = [it for it in psutil.Process(worker.pid).net_connections() if it.status == psutil.CONN_LISTEN]
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)

    assert lines[1] == "workflows: Look, Shop\n"
    assert listening == []


def test_a_temporal_that_is_gone_is_told(shop: Cli) -> None:
    """Nothing about the queue is said then: what was said before is no news."""
    port = free_port()
    with temporal_server() as temporal:
        environment = {**shop.environment, "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{temporal}"}
        cli = Cli(folder=shop.folder, environment=environment)
        wait_for(lambda: cli("workflow", "list").code == 0, 60)
        worker = cli.start("worker", "--metrics-port", str(port))
        wait_for(lambda: psutil.pid_exists(worker.pid) and _is_up(port) == 1)
    wait_for(lambda: _is_up(port) == 0)
    backlog = scrape(port)["moose_task_queue_backlog{kind=task}"]
    worker.kill()
    worker.communicate()

    assert backlog != backlog


def _is_up(port: int) -> float | None:
    try:
        return scrape(port).get("moose_temporal_up{}")
    except OSError:
        return None
