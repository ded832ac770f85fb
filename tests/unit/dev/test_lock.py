"""One dev per project, and what a second one is told."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moose_lib.dev.lock import dev_lock, state_directory
from moose_lib.errors import AlreadyRunning
from moose_lib.project.running import LOCK_FILE, RunningDev
from moose_lib.project.settings import Settings, load_settings

MINE = RunningDev(pid=os.getpid())
#: Longer than a command needs to look who runs here, on a machine that is not busy.
LONG = 0.6


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


@pytest.fixture
def ended() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def opened(settings: Settings) -> int:
    return os.open(state_directory(settings) / LOCK_FILE, os.O_RDWR | os.O_CREAT)


async def test_a_second_one_is_told_the_pid_of_the_first(settings: Settings) -> None:
    async with dev_lock(settings, MINE):
        with pytest.raises(AlreadyRunning) as refused:
            async with dev_lock(settings, RunningDev(pid=1)):
                pass
    assert refused.value.pid == os.getpid()


@pytest.mark.parametrize("left_behind", [b"", RunningDev(pid=-1).model_dump_json().encode()])
async def test_a_slow_look_at_the_lock_is_no_running_dev(settings: Settings, ended: int, left_behind: bytes) -> None:
    """A command looks who runs here, and the machine has no time for it; a killed dev may have left its record."""
    looking = opened(settings)
    os.pwrite(looking, left_behind.replace(b"-1", str(ended).encode()), 0)
    fcntl.flock(looking, fcntl.LOCK_SH)
    asyncio.get_running_loop().call_later(LONG, os.close, looking)

    async with dev_lock(settings, MINE):
        pass


async def test_a_first_one_that_is_just_starting_is_named_too(settings: Settings) -> None:
    """It has the lock and not yet written its record."""
    first = opened(settings)
    fcntl.flock(first, fcntl.LOCK_EX)
    asyncio.get_running_loop().call_later(LONG, os.pwrite, first, MINE.model_dump_json().encode(), 0)
    try:
        with pytest.raises(AlreadyRunning) as refused:
            async with dev_lock(settings, RunningDev(pid=1)):
                pass
    finally:
        os.close(first)
    assert refused.value.pid == os.getpid()


async def test_who_never_says_who_it_is_is_another_process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds."""
    monkeypatch.setattr("moose_lib.dev.lock._LONGEST_PATIENCE", LONG)
    first = opened(settings)
    fcntl.flock(first, fcntl.LOCK_EX)
    try:
        with pytest.raises(AlreadyRunning, match="another process"):
            async with dev_lock(settings, MINE):
                pass
    finally:
        os.close(first)
