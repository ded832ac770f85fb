"""One `moose-cli dev` per project: Temporal itself takes no lock on its database.

The kernel drops the lock when the process ends, however it ends. The file says who holds it and where its Temporal is
(`moose_lib.project.running`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from moose_lib.errors import AlreadyRunning, SettingsError
from moose_lib.project.running import LOCK_FILE, RunningDev, read_record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from moose_lib.project.settings import Settings

_PAUSE = 0.02
_RECORD_BYTES = 1024
#: Commands that look for a running dev hold the lock for a moment, however long that is on a busy machine.
_PATIENCE = 0.2
#: A dev that holds the lock has written its record, or does so at once.
_LONGEST_PATIENCE = 5.0


@asynccontextmanager
async def dev_lock(settings: Settings, record: RunningDev) -> AsyncGenerator[Callable[[RunningDev], None], None]:
    """Hold the project's lock, with the record of this process in it; yields what changes the record.

    Raises:
        AlreadyRunning: another `moose-cli dev` holds it.
    """
    file = state_directory(settings) / LOCK_FILE
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        await _lock(descriptor, settings.root)
        os.ftruncate(descriptor, 0)
        _write(descriptor, record)
        yield lambda changed: _write(descriptor, changed)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _write(descriptor: int, record: RunningDev) -> None:
    """In one piece, and always as long: whoever reads it meanwhile finds one or the other."""
    os.pwrite(descriptor, record.model_dump_json().encode().ljust(_RECORD_BYTES), 0)


def state_directory(settings: Settings) -> Path:
    """Return `.moose/` of the project, made if need be, with a `.gitignore` that keeps all of it out of git.

    Raises:
        SettingsError: the folder cannot be written.
    """
    directory = settings.state_directory
    ignore = directory / ".gitignore"
    try:
        directory.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{directory} cannot be written: {error}") from error
    return directory


async def _lock(descriptor: int, root: Path) -> None:
    """Take the lock, or tell who holds it: not before the record of a living process says so."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while not _takes(descriptor):
        running = read_record(os.pread(descriptor, 4096, 0))
        waited = loop.time() - begin
        if waited > _LONGEST_PATIENCE or (waited > _PATIENCE and running is not None and _lives(running.pid)):
            raise AlreadyRunning(str(root), None if running is None else running.pid)
        await asyncio.sleep(_PAUSE)


def _takes(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
