"""Saves, crashes and the worker: always the newest code that loads, and running tasks finish first."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.integration.dev.harness import EXTERNAL, Dev, exists, kill, kill_late, project_in, session, until

from moose_lib.dev.events import (
    CodeRefused,
    DevReady,
    OutputLine,
    ProcessDied,
    ProcessReady,
    ProcessStarted,
    ProcessStopped,
    Reloaded,
    Reloading,
)
from moose_lib.project.loader import find_project
from moose_lib.project.running import find_running

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

WAIT_FOR_GO = """
import pathlib, time
while not pathlib.Path(__file__).with_name("go").exists():
    time.sleep(0.02)
"""


async def worker_of(dev: Dev) -> int:
    pid = (await dev.next(DevReady)).facts.worker_pid
    assert pid is not None
    return pid


async def test_a_save_brings_the_new_code(tmp_path: Path) -> None:
    """The new worker polls before the old one goes."""
    project = project_in(tmp_path, config=EXTERNAL)
    async with session(project) as dev:
        old = await worker_of(dev)
        project.entry.write_text("VERSION = 2")

        assert (await dev.next(Reloading)).files == (project.entry,)
        reloaded = await dev.next(Reloaded)
        assert reloaded.workflows == ("orders",)
        assert reloaded.pid != old
        running = find_running(tmp_path)
        assert running is not None
        assert running.worker_since is not None
        assert running.worker_since > project.entry.stat().st_mtime  # so do others know that it has the code of now
        stopped = await dev.next(ProcessStopped)
        assert (stopped.pid, stopped.exit.code, stopped.killed) == (old, 0, False)
        assert [line.text.split()[1] for line in dev.all(OutputLine) if "version" in line.text] == ["1", "2"]


async def test_code_that_does_not_import_leaves_the_old_worker_at_work(tmp_path: Path) -> None:
    project = project_in(tmp_path, config=EXTERNAL)
    async with session(project) as dev:
        old = await worker_of(dev)
        project.entry.write_text("VERSION = 1 / 0")

        refused = await dev.next(CodeRefused)
        assert "ZeroDivisionError" in refused.text
        assert str(project.entry) in refused.text
        assert refused.serving == old
        assert exists(old)
        running = find_running(tmp_path)
        assert running is not None
        assert running.worker_since is not None
        assert running.refused_since is not None
        assert running.worker_since < project.entry.stat().st_mtime < running.refused_since  # nobody waits for it
        assert not any("ZeroDivisionError" in line.text for line in dev.all(OutputLine))

        project.entry.write_text("VERSION = 3")
        await dev.next(Reloaded)
        assert (await dev.next(ProcessStopped)).pid == old


async def test_code_that_never_loaded_waits_for_a_save(tmp_path: Path) -> None:
    """`dev` stays up, and says so with facts that have no worker."""
    project = project_in(tmp_path, "import nothing_like_this", EXTERNAL)
    async with session(project) as dev:
        refused = await dev.next(CodeRefused)
        assert (refused.serving, "nothing_like_this" in refused.text) == (None, True)
        assert (await dev.next(DevReady)).facts.worker_pid is None

        (tmp_path / "nothing_like_this.py").write_text("")
        await dev.next(CodeRefused)  # the fake worker does not look there

        project.entry.write_text("VERSION = 2")
        await dev.next(Reloaded)


async def test_two_quick_saves_end_in_the_newest_code(tmp_path: Path) -> None:
    """A worker that is getting ready with outdated code is given up."""
    project = project_in(tmp_path, config=EXTERNAL)
    async with session(project) as dev:
        await worker_of(dev)
        project.entry.write_text("import time; time.sleep(600)")
        await dev.next(Reloading)
        outdated = await dev.next(ProcessStarted)
        project.entry.write_text("VERSION = 3")

        reloaded = await dev.next(Reloaded)
        await dev.line("version 3")
        assert not exists(outdated.pid)
        assert reloaded.pid != outdated.pid


async def test_running_tasks_finish_on_the_old_code(tmp_path: Path) -> None:
    project = project_in(tmp_path, "LINGER = True", EXTERNAL)
    async with session(project) as dev:
        old = await worker_of(dev)
        project.entry.write_text("VERSION = 2")
        await dev.next(Reloaded)
        await dev.line("lingering")
        assert exists(old)

        (tmp_path / "release").touch()
        await dev.line("released")
        assert (await dev.next(ProcessStopped)).pid == old


async def test_after_the_grace_period_a_worker_is_told_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_late(monkeypatch)
    project = project_in(tmp_path, "LINGER = True", f'{EXTERNAL}[worker]\ngrace_period = "100ms"\n')
    async with session(project) as dev:
        await worker_of(dev)
        project.entry.write_text("VERSION = 2")

        await dev.line("hurried")
        assert not (await dev.next(ProcessStopped)).killed


async def test_a_worker_that_was_told_twice_before_it_heard_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel keeps signals of one kind for a process that does not run as one."""
    sent = list[int]()
    send = os.kill

    def note_and_send(pid: int, number: int) -> None:
        send(pid, number)
        sent.append(number)

    kill_late(monkeypatch)
    project = project_in(tmp_path, "LINGER = True", f'{EXTERNAL}stop_grace_period = "1h"\n')
    async with session(project) as dev:
        worker = await worker_of(dev)
        kill(worker, signal.SIGSTOP)
        monkeypatch.setattr(os, "kill", note_and_send)
        dev.stop.set()
        await until(lambda: len(sent) == 1)
        dev.hurry.set()
        await until(lambda: len(sent) == 2)
        kill(worker, signal.SIGCONT)

        await dev.line("hurried")
        assert not (await dev.next(ProcessStopped)).killed


async def test_a_worker_that_does_not_go_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moose_lib.dev.worker.MARGIN", timedelta(milliseconds=100))
    project = project_in(tmp_path, "IGNORE = True", f'{EXTERNAL}stop_grace_period = "100ms"\n')
    async with session(project) as dev:
        await worker_of(dev)
        dev.stop.set()

        stopped = await dev.next(ProcessStopped)
        assert (stopped.killed, stopped.exit.signal) == (True, "SIGKILL")


async def test_old_workers_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of those that still finish tasks is told to hurry."""
    kill_late(monkeypatch)
    project = project_in(tmp_path, "LINGER = True", f'{EXTERNAL}stop_grace_period = "100ms"\n')
    async with session(project) as dev:
        first = await worker_of(dev)
        for version in range(4):
            project.entry.write_text(f"LINGER = True; VERSION = {version}")
            await dev.next(Reloaded)

        await dev.line("hurried")
        assert (await dev.next(ProcessStopped)).pid == first


async def test_a_killed_worker_is_restarted(tmp_path: Path) -> None:
    async with session(project_in(tmp_path, config=EXTERNAL)) as dev:
        old = await worker_of(dev)
        kill(old, signal.SIGKILL)

        death = await dev.next(ProcessDied)
        assert (death.source, death.pid, death.exit.signal) == ("worker", old, "SIGKILL")
        assert death.restart_in is not None
        assert (await dev.next(ProcessReady)).pid != old


async def test_a_save_ends_the_pause_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moose_lib.dev.backoff.FIRST", timedelta(hours=1))
    project = project_in(tmp_path, "import sys; print('on purpose', file=sys.stderr); sys.exit(7)", EXTERNAL)
    async with session(project) as dev:
        assert (await dev.next(ProcessDied)).exit.code == 7
        assert [line.text for line in dev.all(OutputLine)] == ["on purpose"]
        project.entry.write_text("VERSION = 2")

        await dev.next(Reloaded)


async def test_the_old_workers_death_is_told_while_the_new_one_starts(tmp_path: Path) -> None:
    project = project_in(tmp_path, config=EXTERNAL)
    async with session(project) as dev:
        old = await worker_of(dev)
        project.entry.write_text(
            "import time, pathlib\nwhile not pathlib.Path(__file__).with_name('go').exists(): time.sleep(.02)"
        )
        await dev.next(ProcessStarted)
        kill(old, signal.SIGKILL)

        assert (await dev.next(ProcessDied)).pid == old
        (tmp_path / "go").touch()
        await dev.next(Reloaded)


async def test_what_a_task_started_goes_with_its_worker(tmp_path: Path) -> None:
    async with session(project_in(tmp_path, "GRANDCHILD = True", EXTERNAL)) as dev:
        grandchild = int((await dev.line("grandchild")).text.split()[1])
        assert exists(grandchild)

    await until(lambda: not exists(grandchild))


async def test_only_files_that_matter_cause_a_reload(tmp_path: Path) -> None:
    """In a single file's folder: the files the worker has loaded, and the configuration."""
    project = project_in(tmp_path, config=EXTERNAL)
    async with session(project) as dev:
        await worker_of(dev)
        for name in ("unrelated.py", "data.json", ".#flow.py", ".moose/state.py"):
            (tmp_path / name).write_text("")
        (tmp_path / "part.py").write_text("")

        assert [file.name for file in (await dev.next(Reloading)).files] == ["part.py"]
        await dev.next(Reloaded)
        (tmp_path / ".env").write_text("WHO=me")
        assert [file.name for file in (await dev.next(Reloading)).files] == [".env"]


async def test_a_projects_whole_source_is_watched(tmp_path: Path) -> None:
    (tmp_path / "moose.config.toml").write_text(EXTERNAL)
    (tmp_path / "app" / "workflows").mkdir(parents=True)
    (tmp_path / "app" / "main.py").write_text("VERSION = 1")
    async with session(find_project(tmp_path)) as dev:
        await worker_of(dev)
        (tmp_path / "app" / "__pycache__").mkdir()
        (tmp_path / "app" / "__pycache__" / "main.py").write_text("")
        new = tmp_path / "app" / "workflows" / "new.py"
        new.write_text("")

        assert (await dev.next(Reloading)).files == (new,)
        await asyncio.wait_for(dev.next(Reloaded), 30)
