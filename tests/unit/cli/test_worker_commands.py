"""How a worker is started for a task queue, as hints say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from moose_lib.cli import worker_commands as module
from moose_lib.cli.options import Target
from moose_lib.cli.session import Session
from moose_lib.cli.worker_commands import WorkerCommands, worker_commands
from moose_lib.project.running import RunningDev
from moose_lib.project.settings import Settings


def session(root: Path, **said: object) -> Session:
    overrides = {f"temporal_config.{name}": value for name, value in said.items()}
    return Session(settings=Settings(root=root), project=None, target=Target(overrides=overrides))


def running(monkeypatch: pytest.MonkeyPatch, record: RunningDev) -> None:
    """Let it be the `dev` that runs in every project."""

    def found(_: Path) -> RunningDev:
        return record

    monkeypatch.setattr(module, "find_running", found)


def test_the_queue_of_the_settings_need_not_be_named(tmp_path: Path) -> None:
    """Two ways, the one with everything around it first."""
    commands = worker_commands(session(tmp_path), "moose")

    assert commands == WorkerCommands()
    assert commands.hint == "moose-cli dev   or, against this Temporal: moose-cli worker"
    assert commands.aside == "start one: moose-cli dev, or moose-cli worker"


def test_another_queue_is_named(tmp_path: Path) -> None:
    """Or the worker would work for the wrong one."""
    commands = worker_commands(session(tmp_path), "slow ones")

    assert commands.hint == (
        "moose-cli dev --task-queue 'slow ones'   or, against this Temporal: moose-cli worker --task-queue 'slow ones'"
    )
    assert commands.queue == " --task-queue 'slow ones'"


def test_a_server_that_was_named_has_no_dev(tmp_path: Path) -> None:
    """`dev` starts a Temporal of its own."""
    commands = worker_commands(session(tmp_path, address="there:7233"), "moose")

    assert commands.hint == "moose-cli worker"
    assert commands.aside == "start one: moose-cli worker"


def test_a_dev_that_runs_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be refused."""

    running(monkeypatch, RunningDev(pid=1, worker_since=1.0, refused_since=2.0))

    assert worker_commands(session(tmp_path), "slow").hint == "moose-cli worker --task-queue slow"
    assert worker_commands(session(tmp_path), "moose").hint == "moose-cli worker"


def test_where_dev_waits_for_code_another_worker_would_not_load_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What helps is to mend it. Workers of another queue, or of another Temporal, have their own code."""
    running(monkeypatch, RunningDev(pid=1, refused_since=2.0))
    commands = worker_commands(session(tmp_path), "moose")

    assert commands.hint == "moose-cli check"
    assert commands.aside == "moose-cli dev waits for code that loads: moose-cli check"
    assert worker_commands(session(tmp_path), "slow").hint == "moose-cli worker --task-queue slow"
    assert worker_commands(session(tmp_path, address="there:7233"), "moose").hint == "moose-cli worker"
