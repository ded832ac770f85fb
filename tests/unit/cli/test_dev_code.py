"""Run, resume and retry wait until the worker of `dev` has what was saved: else they would run the code of before."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from moose_lib.cli.dev_code import await_dev_code
from moose_lib.cli.main import main
from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import open_session
from moose_lib.cli.starting import prepare
from moose_lib.dev.lock import dev_lock
from moose_lib.project import taking
from moose_lib.project.running import RunningDev

FLOW = """
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

first = Task[None, None]("first", TaskConfig(run=lambda: None))
Workflow("Flow", WorkflowConfig(starting_task=first))
"""

TAKING = "note: moose-cli dev is taking the code of now\n"
BEHIND = "note: moose-cli dev has not taken the code of now, see its output; tasks may begin with that of before\n"

#: Says, in seconds before or after the save, since when `dev` has its worker, and when it has refused code.
Note = Callable[..., None]


@pytest.fixture
async def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Note]:
    """A project that was saved now, and a `dev` in it."""
    (tmp_path / "flow.py").write_text(FLOW)
    saved = (tmp_path / "flow.py").stat().st_ctime
    monkeypatch.chdir(tmp_path)
    session = open_session(Target(file=Path("flow.py")))
    async with dev_lock(session.settings, RunningDev(pid=os.getpid())) as write:

        def note(worker: float | None, refused: float | None = None) -> None:
            since, refusal = (None if it is None else saved + it for it in (worker, refused))
            write(RunningDev(pid=os.getpid(), worker_since=since, refused_since=refusal))

        yield note


def waited(capsys: pytest.CaptureFixture[str], target: Target | None = None) -> str:
    await_dev_code(Output(), open_session(target or Target(file=Path("flow.py"))), is_loaded=False)
    return capsys.readouterr().err


async def test_a_save_is_waited_for(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    note(-100)
    asyncio.get_running_loop().call_later(0.5, note, 1)

    told = await asyncio.to_thread(waited, capsys)

    assert told == TAKING


async def test_but_not_for_ever(
    note: Note, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "_LONGEST_SECONDS", 1.0)
    note(-100)

    assert waited(capsys) == TAKING + BEHIND


async def test_the_refusal_of_the_worker_ends_the_wait(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    note(-100)
    asyncio.get_running_loop().call_later(0.5, note, -100, 1)

    assert await asyncio.to_thread(waited, capsys) == TAKING + BEHIND


async def test_code_that_was_refused_before_is_told_at_once(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    """It loads here, but not in the worker, as with other variables of the environment."""
    note(-100, 1)

    assert waited(capsys) == BEHIND


async def test_a_run_that_is_started_waits(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    note(-100)
    asyncio.get_running_loop().call_later(0.5, note, 1)

    await asyncio.to_thread(
        prepare, Output(), Target(file=Path("flow.py")), "Flow", None, None, is_once=False, is_remote=False
    )

    assert capsys.readouterr().err == TAKING


@pytest.mark.parametrize("words", ["trigger Flow", "backfill Flow --from 2027-01-01 --to 2027-01-02"])
async def test_a_schedule_that_is_to_start_runs_waits(
    note: Note, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """The plan of such a run comes from the worker. Here there is no Temporal, and so no run."""
    monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__ADDRESS", "127.0.0.1:1")
    note(-100)
    asyncio.get_running_loop().call_later(0.5, note, 1)

    code = await asyncio.to_thread(main, ["schedule", *words.split(), "--file", "flow.py"])

    first, second, *_ = capsys.readouterr().err.splitlines()
    assert (code, first) == (3, "note: moose-cli dev flow.py is taking the code of now")
    assert second.startswith("error: ")


@pytest.mark.parametrize("since", [None, 1.0])
async def test_without_a_newer_save_nothing_is_waited_for(
    note: Note, capsys: pytest.CaptureFixture[str], since: float | None
) -> None:
    """Nor where `dev` has no worker: its first one will have the code of then."""
    note(since)

    assert waited(capsys) == ""


@pytest.mark.parametrize(("later", "told"), [(60, BEHIND), (-60, "")])
async def test_nor_for_a_file_that_nobody_has_saved_just_now(
    note: Note, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, later: float, told: str
) -> None:
    """`dev` does not watch it, or its time is that of another clock."""
    now = time.time() + later
    monkeypatch.setattr(time, "time", lambda: now)
    note(-100)

    assert waited(capsys) == told


@pytest.mark.parametrize("written", [-1000, 1000])
async def test_a_file_that_was_written_elsewhere_is_as_new_as_its_coming(
    note: Note, capsys: pytest.CaptureFixture[str], tmp_path: Path, written: float
) -> None:
    """Moved here, unpacked or copied with its times."""
    moment = time.time() + written
    os.utime(tmp_path / "flow.py", (moment, moment))
    note(-100)
    asyncio.get_running_loop().call_later(0.5, note, 1)

    assert await asyncio.to_thread(waited, capsys) == TAKING


@pytest.mark.parametrize("name", [".env", ".env.local", "moose.config.toml"])
async def test_settings_are_waited_for_as_code_is(
    note: Note, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    note(0.1)
    await asyncio.sleep(0.2)
    (tmp_path / name).touch()
    asyncio.get_running_loop().call_later(0.5, note, 3)

    assert await asyncio.to_thread(waited, capsys) == TAKING


async def test_nor_for_another_temporal(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    note(-100)
    elsewhere = {"temporal_config.address": "there:7233"}

    assert waited(capsys, Target(file=Path("flow.py"), overrides=elsewhere)) == ""


@pytest.mark.parametrize(
    ("since", "then"), [(-100, "tasks begin with the code of before"), (None, "nobody works until it does")]
)
async def test_code_that_does_not_load_is_told_and_not_waited_for(
    note: Note, capsys: pytest.CaptureFixture[str], tmp_path: Path, since: float | None, then: str
) -> None:
    note(since)
    (tmp_path / "flow.py").write_text("1 / 0\n")

    assert waited(capsys) == f"note: the code of now does not load (moose-cli check says why); {then}\n"
