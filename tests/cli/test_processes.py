"""The two commands that stay: `worker` and `dev`."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.cli.conftest import APP, Cli, start_worker, still
from tests.cli.polling import wait_for
from tests.integration.conftest import free_port

WARNS = """\
import warnings
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

def warn() -> None:
    warnings.warn("Cannot find activity to cancel for token b'x'")
    warnings.warn("mind the gap")

Workflow(
    name="Warns",
    config=WorkflowConfig(starting_task=Task[None, None](name="warn", config=TaskConfig(run=warn))),
)
"""
PATIENT = {"MOOSE_WORKER__GRACE_PERIOD": "10m"}


SLOW_IMPORT = """\
import time
from pathlib import Path

Path("importing").touch()
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [("serve", signal.SIGTERM, 143), ("worker", signal.SIGTERM, 143), ("serve", signal.SIGINT, 130)],
)
def test_who_is_stopped_while_it_imports_the_project_leaves_quietly(
    tmp_path: Path, command: str, number: signal.Signals, code: int
) -> None:
    """It is no mistake of the code that happened to be imported."""
    (tmp_path / "slow.py").write_text(SLOW_IMPORT)
    process = Cli(folder=tmp_path).start(command, "slow.py")
    wait_for((tmp_path / "importing").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err.strip()) == (code, "", "")  # click ends the line of a terminal's ^C


def test_code_that_ends_the_process_itself_does_not_import(tmp_path: Path) -> None:
    """With the same exit code even."""
    (tmp_path / "ending.py").write_text("raise SystemExit(143)\n")
    done = Cli(folder=tmp_path)("serve", "ending.py")

    assert done.code == 2
    assert "ending.py does not import" in done.err


def test_a_worker_says_where_it_works_and_drains(cli: Cli) -> None:
    """Three lines, then only what tasks write; SIGTERM is no failure."""
    worker = cli.start("worker", "--task-queue", "cli-drain")
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(3)]
    done = cli(
        "workflow", "run", "Order", "--input", '{"order_id": "7"}', "--wait", "--json", "--task-queue", "cli-drain"
    )
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=30)

    address = cli.environment["MOOSE_TEMPORAL_CONFIG__ADDRESS"]
    assert lines == [
        f"working for task queue 'cli-drain' of {address} (namespace default)\n",
        "workflows: Nightly, Order, Stubborn, Waiting\n",
        lines[2],
    ]
    assert re.fullmatch(r"schedules: Nightly \w+( \(.*\))?, next .* 00:00:00 \+00:00\n", lines[2])
    assert done.code == 0
    assert worker.returncode == 0
    tag = f"[Order/check #1 {done.document['workflow_id'][6:]}]"
    assert still(out) == f"<time> INFO {tag} checking 7\nstopped\n"
    assert err == "finishing the running tasks\n"


def test_a_run_that_nobody_takes_though_somebody_worked_lately(cli: Cli) -> None:
    """Temporal remembers those who asked for work for five minutes; only a run that is not taken up tells."""
    queue = ("--task-queue", "cli-gone")
    worker = cli.start("worker", *queue)
    assert worker.stdout is not None
    assert worker.stdout.readline().startswith("working for ")
    until_done = cli("workflow", "run", "Order", "--input", '{"order_id": "7"}', "--wait", *queue)
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)

    done = cli("workflow", "run", "Order", "--input", '{"order_id": "7"}', *queue)
    workflow_id = done.out.splitlines()[1].removeprefix("Workflow ID: ")
    assert cli("workflow", "terminate", workflow_id).code == 0

    assert until_done.code == 0
    assert (done.code, done.err.splitlines()[0]) == (
        0,
        "note: no worker has taken the run yet, though some have worked for task queue 'cli-gone' lately",
    )


def test_a_task_that_a_stopping_worker_gave_back_has_one_attempt(cli: Cli) -> None:
    """Nothing is used up by a deployment."""
    flag = cli.folder / "flag-drain"
    impatient = Cli(
        folder=cli.folder,
        environment={
            **cli.environment,
            "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": "cli-back",
            "MOOSE_WORKER__GRACE_PERIOD": "1s",
        },
    )
    first = start_worker(impatient)
    assert impatient("workflow", "run", "Waiting", "--input", f'{{"until": "{flag}"}}', "--id", "back").code == 0
    wait_for(lambda: impatient("workflow", "status", "back", "--json").document["tasks"][0]["state"] == "running")
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=30)
    assert first.returncode == 0, err
    flag.touch()
    second = start_worker(impatient)
    done = impatient("workflow", "result", "back", "--wait", "--json")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=30)

    assert done.code == 0
    assert done.document["tasks"][0]["attempts"] == 1
    assert second.returncode == 0


def test_a_second_signal_gives_the_running_tasks_back(cli: Cli) -> None:
    """For those who cannot wait for the grace period: the next worker goes on at once, with the same attempt."""
    hasty = Cli(
        folder=cli.folder, environment={**cli.environment, "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": "cli-hasty", **PATIENT}
    )
    worker = start_worker(hasty)
    assert hasty("workflow", "run", "Waiting", "--id", "hasty").code == 0
    wait_for(lambda: hasty("workflow", "status", "hasty", "--json").document["tasks"][0]["state"] == "running")
    signaled_twice(worker, signal.SIGTERM)
    _, err = worker.communicate(timeout=60)
    second = start_worker(hasty)

    wait_for(lambda: hasty("workflow", "status", "hasty", "--json").document["tasks"][0]["state"] == "running")
    (task,) = hasty("workflow", "status", "hasty", "--json").document["tasks"]
    assert hasty("workflow", "terminate", "hasty").code == 0
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=30)
    assert (worker.returncode, err) == (0, "giving the running tasks back\n")
    assert (task["attempts"], task["error"]) == (1, None)


def test_a_worker_does_not_pass_on_what_only_the_sdk_wants_to_know(cli: Cli, tmp_path: Path) -> None:
    """A race of its own that harms nobody; every other warning is shown."""
    file = tmp_path / "warns.py"
    file.write_text(WARNS, encoding="utf-8")
    options = ["--file", str(file), "--task-queue", "cli-warns"]
    worker = cli.start("worker", *options)
    assert worker.stdout is not None
    worker.stdout.readline()
    done = cli("workflow", "run", "Warns", "--wait", *options)
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=30)

    assert done.code == 0, done.err
    assert "UserWarning: mind the gap" in out
    assert "Cannot find activity" not in out + err


def test_a_third_signal_ends_a_worker_at_once(cli: Cli) -> None:
    """Whatever its tasks do."""
    hasty = Cli(
        folder=cli.folder, environment={**cli.environment, "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": "cli-hard", **PATIENT}
    )
    worker = start_worker(hasty)
    assert hasty("workflow", "run", "Waiting", "--id", "hard", "--input", '{"lingers": 600}').code == 0
    wait_for(lambda: hasty("workflow", "status", "hard", "--json").document["tasks"][0]["state"] == "running")
    signaled_twice(worker, signal.SIGINT)
    assert worker.stderr is not None
    assert worker.stderr.readline() == "giving the running tasks back\n"
    worker.send_signal(signal.SIGINT)

    assert worker.wait(60) == 130
    worker.communicate()
    assert hasty("workflow", "terminate", "hard").code == 0


def signaled_twice(worker: subprocess.Popen[str], number: signal.Signals) -> None:
    """Wait for the answer to the first: two signals in one moment are one."""
    assert worker.stderr is not None
    worker.send_signal(number)
    while worker.stderr.readline() != "finishing the running tasks\n":
        assert worker.poll() is None
    worker.send_signal(number)


def test_a_worker_whose_code_does_not_load_exits_2(cli: Cli, tmp_path: Path) -> None:
    """With the user's traceback; a supervisor must not take it for a crash."""
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n", encoding="utf-8")
    done = cli("worker", str(file))

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: {file.resolve()} does not import\n"
        "Traceback (most recent call last):\n"
        f'  File "{file.resolve()}", line 1, in <module>\n'
        "    1 / 0\n"
        "    ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
        f"hint: python {file.resolve()}\n"
    )


def test_a_worker_without_a_server_exits_3(cli: Cli) -> None:
    """There is nothing to wait for."""
    done = cli("worker", "--address", "127.0.0.1:1")

    assert (done.code, done.err) == (
        3,
        "error: no Temporal server at 127.0.0.1:1: connection refused\nhint: moose-cli dev\n",
    )


@contextmanager
def developing(cli: Cli, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A `dev` that has said it is ready."""
    dev = cli.start("dev", *arguments, "--port", str(free_port()))
    assert dev.stdout is not None
    try:
        seen = list[str]()
        while not any(line.startswith("  Stop") for line in seen):
            seen.append(dev.stdout.readline())
            assert seen[-1], f"{''.join(seen)}{dev.stderr.read() if dev.stderr is not None else ''}"
        yield dev
    finally:
        if dev.poll() is None:
            dev.send_signal(signal.SIGINT)
            dev.communicate(timeout=60)


@pytest.fixture
def alone(tmp_path: Path) -> Cli:
    """A folder with a single file and no server."""
    (tmp_path / "shop.py").write_text(APP.read_text(encoding="utf-8"), encoding="utf-8")
    return Cli(folder=tmp_path)


def test_dev_runs_a_single_file_and_leaves_nothing_behind(alone: Cli) -> None:
    """The spec's calls work beside it, without saying which file or which port."""
    ports = ["--temporal-port", str(free_port()), "--ui-port", str(free_port())]
    with developing(alone, "shop.py", *ports) as dev:
        children = psutil.Process(dev.pid).children(recursive=True)
        started = alone("workflow", "run", "Order", "--input", '{"order_id": "7"}', "--wait")
        listed = alone("workflow", "list")
        status = alone("workflow", "status", "Order")
        second = alone("dev", "shop.py", "--temporal-port", str(free_port()), "--ui-port", str(free_port()))
        again = alone("workflow", "status", "Order")
        dev.send_signal(signal.SIGINT)
        out, err = dev.communicate(timeout=60)

    assert started.code == 0, started.err
    assert f"http://localhost:{ports[3]}/namespaces/default/workflows/Order-" in started.out
    assert "Waiting" in listed.out
    assert (status.code, again.code) == (0, 0)
    assert second.code == 1
    assert second.err.startswith("error: moose-cli dev is already running in ")
    assert dev.returncode == 0, err
    assert re.search(r"^worker   │ \d\d:\d\d:\d\d INFO \[Order/check #1 \w+\] checking 7$", out, re.MULTILINE)
    assert "temporalio" not in out + err
    assert "dev      │ stopping; running tasks continue at the next start (Ctrl-C again to hurry)\n" in out
    assert children
    wait_for(lambda: not any(it.is_running() and it.status() != psutil.STATUS_ZOMBIE for it in children))
    assert not (alone.folder / ".moose" / "dev-file").exists()


def test_dev_shows_a_reload_and_code_that_does_not_load(alone: Cli) -> None:
    """A save is picked up; a broken one leaves the old code at work."""
    file = alone.folder / "shop.py"
    with developing(alone, "shop.py", "--temporal-port", str(free_port()), "--ui-port", str(free_port())) as dev:
        assert dev.stdout is not None
        file.write_text(APP.read_text(encoding="utf-8") + "\nboom(\n", encoding="utf-8")
        refused = _line_with(dev, "the next save is tried again")
        file.write_text(APP.read_text(encoding="utf-8").replace('"Nightly"', '"Weekly"'), encoding="utf-8")
        reloaded = _line_with(dev, "reloaded")
        dev.send_signal(signal.SIGTERM)
        _, err = dev.communicate(timeout=60)

    assert refused == "dev      │ the worker goes on with the code it has; the next save is tried again\n"
    assert still(reloaded) == "dev      │ reloaded shop.py in <span>: Order, Waiting, Stubborn, Weekly\n"
    assert "SyntaxError" in err
    assert dev.returncode == 0


def _line_with(dev: subprocess.Popen[str], text: str) -> str:
    assert dev.stdout is not None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        line = dev.stdout.readline()
        if text in line:
            return line
        assert line, "dev ended"
    raise AssertionError(f"{text!r} was not said in time")


def test_a_busy_port_is_named_with_its_setting(alone: Cli, server: int) -> None:
    """Who holds it, and what to change."""
    done = alone("dev", "shop.py", "--temporal-port", str(server), "--ui-port", str(free_port()))

    assert done.code == 1
    assert done.err.startswith(f"error: port {server} is in use")
    assert "--temporal-port" in done.err
