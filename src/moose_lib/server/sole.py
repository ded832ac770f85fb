"""One process writes a store: a lock beside the file, which the kernel drops with the process that holds it."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from moose_lib.ingest.errors import StoreFailed

_POLL_SECONDS: Final = 0.02


@asynccontextmanager
async def sole_writer(path: Path, patience: float) -> AsyncGenerator[None]:
    """Be the one that writes the store at `path`; waits for another server to end, for `patience` seconds at most.

    Raises:
        StoreFailed: it goes on, or the lock cannot be made.
    """
    end = time.monotonic() + patience
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f"{path.name}.lock").open("ab")
    except OSError as error:
        raise StoreFailed(f"{path} cannot be opened: {error}", hint="see [store] path in moose.config.toml") from error
    with file:
        while not _is_taken(file.fileno()):
            if time.monotonic() > end:
                raise StoreFailed(f"another server writes to {path}", hint="is moose-cli dev or serve running here?")
            await asyncio.sleep(_POLL_SECONDS)
        yield


def is_written(path: Path) -> bool:
    """Tell whether a server writes the store at `path` now."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        with lock.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
