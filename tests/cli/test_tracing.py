"""Traces of real workers, as a real OTLP receiver gets them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from tests.cli.conftest import Cli, Done, start_worker
from tests.cli.polling import wait_for
from tests.integration.conftest import free_port

from moose_lib.observing.ids import trace_id

Span: TypeAlias = dict[str, Any]  # Any: JSON
CODE = Path(__file__).with_name("traced.py")
ERROR = 2


@dataclass(frozen=True)
class Traces:
    """What arrived at the receiver."""

    file: Path

    def spans(self, name: str | None = None) -> list[Span]:
        lines = self.file.read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [span for span in found if name is None or span["name"] == name]

    def span(self, name: str) -> Span:
        """The only one of this name, when it has come."""
        wait_for(lambda: bool(self.spans(name)))
        (span,) = self.spans(name)
        return span

    def sizes(self) -> Mapping[str, int]:
        """How many spans each trace has."""
        return Counter(span["trace"] for span in self.spans())

    def children(self, parent: Span) -> list[str]:
        return sorted(span["name"] for span in self.spans() if span["parent"] == parent["id"])


@dataclass(frozen=True)
class Traced:
    """A project of its own, whose workers send traces to a receiver of its own."""

    cli: Cli
    traces: Traces
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @contextmanager
    def worker(self) -> Generator[subprocess.Popen[str]]:
        worker = start_worker(self.cli)
        try:
            yield worker
        finally:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=30)

    def run(self, *, wait: bool = True, **order: object) -> Done:
        return self.cli(
            "workflow", "run", "Shop", "--input", json.dumps(order), *(["--wait"] if wait else []), "--json"
        )

    def make(self, name: str) -> None:
        (self.cli.folder / name).touch()


@pytest.fixture
def traced(server: int, tmp_path: Path) -> Iterator[Traced]:
    port, folder = free_port(), tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text(CODE.read_text())
    (folder / "moose.config.toml").write_text(f'[tracing]\nendpoint = "http://127.0.0.1:{port}"\n')
    (folder / "app").mkdir()
    (folder / "app" / "main.py").write_text("import shop\n")
    (folder / ".env").write_text("OTEL_BSP_SCHEDULE_DELAY=50\n")
    environment = {
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": f"traced-{uuid.uuid4().hex[:8]}",
        "PYTHONPATH": str(folder),
    }
    file = tmp_path / "spans"
    with receiving(port, file):
        yield Traced(Cli(folder=folder, environment=environment), Traces(file))


@contextmanager
def receiving(port: int, file: Path) -> Generator[None]:
    """A receiver in a process of its own."""
    script = Path(__file__).with_name("otlp_receiver.py")
    receiver = subprocess.Popen([sys.executable, str(script), str(port), str(file)])
    try:
        wait_for(file.exists)
        yield
    finally:
        receiver.terminate()
        receiver.wait(60)


def test_a_worker_says_where_traces_go(traced: Traced) -> None:
    worker = traced.cli.start("worker")
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(3)]
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)

    assert lines[1] == "workflows: Look, Shop\n"
    assert re.fullmatch(r"traces go to http://127\.0\.0\.1:\d+\S*\n", lines[2])


def test_a_run_is_the_parent_of_its_tasks_and_they_of_their_attempts(traced: Traced) -> None:
    """Users' spans are children of the attempt, from every thread that has its context."""
    with traced.worker():
        done = traced.run()
        run = traced.traces.span("Shop")
    check, charge = traced.traces.span("check"), traced.traces.span("charge")
    first, second = traced.traces.span("check #1"), traced.traces.span("charge #1")

    assert (run["parent"], run["status"]) == ("", 0)
    assert traced.traces.children(run) == ["charge", "check"]
    assert traced.traces.children(check) == ["check #1"]
    assert traced.traces.children(charge) == ["charge #1"]
    assert traced.traces.children(first) == ["in-pool", "in-thread"]
    assert traced.traces.children(second) == ["on-loop", "to-thread"]
    assert {span["trace"] for span in traced.traces.spans()} == {run["trace"]}
    assert run["start"] <= check["start"] <= check["end"] <= charge["end"] <= run["end"]
    assert run["resource"]["service.name"] == "shop"
    assert run["attributes"] == {
        "moose.workflow": "Shop",
        "moose.workflow_id": done.document["workflow_id"],
        "moose.run_id": done.document["run_id"],
        "moose.state": "completed",
    }


def test_a_retry_is_a_second_attempt_and_the_first_one_has_the_exception(traced: Traced) -> None:
    with traced.worker():
        assert traced.run(attempts=2).code == 0
        run = traced.traces.span("Shop")
    charge, failed, good = (traced.traces.span(name) for name in ("charge", "charge #1", "charge #2"))

    (event,) = failed["events"]
    assert traced.traces.children(charge) == ["charge #1", "charge #2"]
    assert (failed["status"], failed["message"]) == (ERROR, "ValueError: terminal offline")
    assert (event["name"], event["exception.type"]) == ("exception", "ValueError")
    assert 'raise ValueError("terminal offline")' in event["exception.stacktrace"]
    assert [span["attributes"]["moose.outcome"] for span in (failed, good)] == ["retried", "completed"]
    assert [span["status"] for span in (good, charge, run)] == [0, 0, 0]


def test_a_failure_reaches_the_task_and_the_run(traced: Traced) -> None:
    traced.make("declined")
    with traced.worker():
        assert traced.run().code == 1
        run = traced.traces.span("Shop")
    spans = [run, traced.traces.span("charge"), traced.traces.span("charge #1")]

    assert [span["status"] for span in spans] == [ERROR, ERROR, ERROR]
    assert {span["message"] for span in spans} == {"NonRetryableError: card declined"}
    assert [span["attributes"].get("moose.state", "") for span in spans] == ["failed", "failed", ""]
    assert all(span["events"][0]["exception.type"].endswith("NonRetryableError") for span in spans)


def test_a_run_that_outlives_its_worker_is_one_trace(traced: Traced) -> None:
    """The attempt that died with its worker told nothing; the next one says that there was one."""
    with traced.worker() as first:
        started = traced.run(wait=False, waits=True)
        assert started.code == 0
        wait_for((traced.cli.folder / "charging").exists)
        traced.traces.span("check")
        first.kill()
    traced.make("go")
    with traced.worker():
        assert traced.cli("workflow", "result", started.document["workflow_id"], "--wait").code == 0
        run = traced.traces.span("Shop")
    charge, attempt = traced.traces.span("charge"), traced.traces.span("charge #1")

    assert traced.traces.children(run) == ["charge", "check"]
    assert {span["trace"] for span in traced.traces.spans() if span["scope"] == "moose"} == {run["trace"]}
    assert attempt["parent"] == charge["id"]
    assert attempt["attributes"]["moose.lost_attempts"] == 1
    instances = {span["resource"]["service.instance.id"] for span in (traced.traces.span("check"), run)}
    assert len(instances) == 2


def test_a_resumed_run_is_linked_to_the_one_it_resumes(traced: Traced) -> None:
    traced.make("declined")
    with traced.worker():
        done = traced.run()
        assert done.code == 1
        failed = traced.traces.span("Shop")
        (traced.cli.folder / "declined").unlink()
        resumed = traced.cli("workflow", "resume", done.document["workflow_id"], "--json")
        assert resumed.code == 0, resumed.err
        wait_for(lambda: len(traced.traces.spans("Shop")) == 2)
    run = traced.traces.spans("Shop")[1]

    assert run["links"] == [{"trace": failed["trace"], "id": failed["id"]}]
    assert run["trace"] != failed["trace"]
    assert run["attributes"]["moose.resumed_from"] == failed["attributes"]["moose.run_id"]
    assert traced.traces.children(run) == ["charge"]


OWN_PROVIDER = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "mine"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint="ADDRESS/v1/traces")))
trace.set_tracer_provider(provider)
"""


def test_a_tracer_provider_of_the_users_own_stays(traced: Traced) -> None:
    """Its spans have the right parents all the same."""
    address = (traced.cli.folder / "moose.config.toml").read_text().split('"')[1]
    with (traced.cli.folder / "shop.py").open("a") as out:
        out.write(OWN_PROVIDER.replace("ADDRESS", address))
    with traced.worker():
        assert traced.run().code == 0
        run = traced.traces.span("Shop")
    own, attempt = traced.traces.span("on-loop"), traced.traces.span("charge #1")

    assert (own["trace"], own["parent"]) == (run["trace"], attempt["id"])
    assert (own["resource"]["service.name"], run["resource"]["service.name"]) == ("mine", "shop")


def test_opentelemetrys_own_variables_do_as_well(traced: Traced) -> None:
    """The standard ones, as a deployment sets them; here in `.env`."""
    config = traced.cli.folder / "moose.config.toml"
    address = config.read_text().split('"')[1]
    config.write_text("")
    with (traced.cli.folder / ".env").open("a") as out:
        out.write(f"OTEL_EXPORTER_OTLP_ENDPOINT={address}\nOTEL_SERVICE_NAME=till\n")
        out.write("OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test\n")
    with traced.worker():
        assert traced.run().code == 0
        run = traced.traces.span("Shop")

    assert run["resource"]["service.name"] == "till"
    assert run["resource"]["deployment.environment.name"] == "test"


def test_a_sampler_keeps_or_drops_a_whole_trace(traced: Traced) -> None:
    """Whichever worker makes a span, it decides as all others do: by the trace's id, which follows from the run's."""
    with (traced.cli.folder / ".env").open("a") as out:
        out.write("OTEL_TRACES_SAMPLER=parentbased_traceidratio\nOTEL_TRACES_SAMPLER_ARG=0.5\n")
    sampler, kept, dropped = TraceIdRatioBased(0.5), set[str](), set[str]()
    with traced.worker():
        while not (kept and dropped):
            trace = trace_id(traced.run().document["run_id"])
            decision = sampler.should_sample(None, trace, "Shop").decision
            (kept if decision is Decision.RECORD_AND_SAMPLE else dropped).add(f"{trace:032x}")
        wait_for(lambda: traced.traces.sizes() == dict.fromkeys(kept, 9))

    assert traced.traces.sizes() == dict.fromkeys(kept, 9)


def test_a_collector_that_is_not_there_delays_nothing_and_is_told_once(traced: Traced, tmp_path: Path) -> None:
    """And when it is there again; the exporter alone would say it several times a second."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    (traced.cli.folder / "moose.config.toml").write_text(f'[tracing]\nendpoint = "{address}"\n')
    with (traced.cli.folder / ".env").open("a") as out:
        out.write("OTEL_EXPORTER_OTLP_TIMEOUT=4\n")
    worker = start_worker(traced.cli)
    assert worker.stderr is not None
    done = traced.run()
    said = [worker.stderr.readline().partition(" ")[2]]
    with receiving(port, tmp_path / "later"):
        assert traced.run().code == 0
        said.append(worker.stderr.readline().partition(" ")[2])
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=60)

    logger = "WARNING moose_lib.observing.exporting"
    assert done.code == 0
    assert said[0] == f"{logger} traces do not reach {address}: connection refused\n"
    assert re.fullmatch(rf"{logger} traces reach {address} again; \d+ spans were lost\n", said[1])
    assert err == "finishing the running tasks\n"
    assert worker.returncode == 0


def test_a_missing_library_is_named_with_the_command_that_installs_it(traced: Traced) -> None:
    fake = traced.cli.folder / "opentelemetry"
    fake.mkdir()
    (fake / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'opentelemetry'\", name='opentelemetry')\n"
    )
    (traced.cli.folder / "moose.config.toml").write_text('[tracing]\nendpoint = "http://127.0.0.1:4318"\n')
    done = traced.cli("worker")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: traces are to go to http://127.0.0.1:4318, and OpenTelemetry is not installed (no opentelemetry)\n"
        "hint: pip install 'moose-workflows[otel]'\n"
    )


def test_the_exporter_for_grpc_is_named_if_it_is_asked_for(traced: Traced) -> None:
    with (traced.cli.folder / ".env").open("a") as out:
        out.write("OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n")
    done = traced.cli("worker")

    assert done.code == 2
    assert done.err == (
        "error: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and the exporter for it is not installed\n"
        "hint: pip install opentelemetry-exporter-otlp-proto-grpc\n"
    )


def test_who_asks_for_neither_loads_neither(traced: Traced) -> None:
    (traced.cli.folder / "moose.config.toml").write_text("")
    code = (traced.cli.folder / "shop.py").read_text()
    code = code.replace("from prometheus_client import Counter\n", "").replace("paid = Counter", "paid = str  #")
    (traced.cli.folder / "shop.py").write_text(code)
    with traced.worker():
        done = traced.cli("workflow", "run", "Look", "--wait", "--json")

    assert {"opentelemetry", "prometheus_client"} & set(done.document["result"]["modules"]) == set()
