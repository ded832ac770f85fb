"""Resume and retry wait until the worker of `dev` has what was saved: otherwise they would run the fault once more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from moose_lib.cli import dev_code
from moose_lib.cli.dev_code import await_dev_code
from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import open_session
from moose_lib.dev.lock import dev_lock
from moose_lib.project.running import RunningDev

Note = Callable[[float | None], None]


@pytest.fixture
async def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Note]:
    """A project that was saved at the second 1000, and a `dev` in it; says since when that has its worker."""
    (tmp_path / "flow.py").write_text("VERSION = 1\n")
    os.utime(tmp_path / "flow.py", (1000, 1000))
    monkeypatch.chdir(tmp_path)
    session = open_session(Target(file=Path("flow.py")))
    async with dev_lock(session.settings, RunningDev(pid=os.getpid())) as write:
        yield lambda since: write(RunningDev(pid=os.getpid(), worker_since=since))


def waited(capsys: pytest.CaptureFixture[str], target: Target | None = None) -> str:
    await_dev_code(Output(), open_session(target or Target(file=Path("flow.py"))), is_loaded=False)
    return capsys.readouterr().err


async def test_a_save_is_waited_for(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    note(900)
    asyncio.get_running_loop().call_later(0.5, note, 1001)

    told = await asyncio.to_thread(waited, capsys)

    assert told == "note: moose-cli dev is taking the code of now\n"


async def test_but_not_for_ever(
    note: Note, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_code, "_PATIENCE_SECONDS", 0.3)
    note(900)

    assert waited(capsys).splitlines()[1] == (
        "note: it has not taken it yet, see its output; tasks may begin with the code of before"
    )


@pytest.mark.parametrize("since", [None, 1001.0])
async def test_without_a_newer_save_nothing_is_waited_for(
    note: Note, capsys: pytest.CaptureFixture[str], since: float | None
) -> None:
    """Nor where `dev` has no worker: its first one will have the code of then."""
    note(since)

    assert waited(capsys) == ""


async def test_nor_for_another_temporal_or_code_that_does_not_load(
    note: Note, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    note(900)
    elsewhere = {"temporal_config.address": "there:7233"}
    assert waited(capsys, Target(file=Path("flow.py"), overrides=elsewhere)) == ""
    (tmp_path / "flow.py").write_text("1 / 0\n")

    assert waited(capsys) == ""
