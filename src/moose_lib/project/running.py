"""The record a running `moose-cli dev` leaves in `.moose/dev.lock`, so that other commands of the project find it.

The record counts only while the file is locked: a dev that was killed leaves the file, but the kernel drops its lock.
"""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

STATE_DIRECTORY = ".moose"
LOCK_FILE = "dev.lock"


class RunningDev(BaseModel):
    """Who runs `moose-cli dev` here and where its Temporal answers (`None`: it uses somebody else's).

    `worker_since`: when its worker was started, in seconds since 1970; it has the code of then. `None`: there is none.
    `refused_since`: when the last one was started that refused its code.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    address: str | None = None
    ui_port: int | None = None
    namespace: str | None = None
    worker_since: float | None = None
    refused_since: float | None = None

    @property
    def is_waiting_for_code(self) -> bool:
        """It has had no worker yet, because the code does not load there."""
        return self.worker_since is None and self.refused_since is not None


def find_running(root: Path) -> RunningDev | None:
    """Return the record of the `dev` that runs in this project now, or `None`."""
    try:
        with (root / STATE_DIRECTORY / LOCK_FILE).open("rb") as file:
            return None if _is_free(file.fileno()) else read_record(file.read())
    except OSError:
        return None


def read_record(data: bytes) -> RunningDev | None:
    """Read the lock file; `None` while its owner is still writing it."""
    try:
        return RunningDev.model_validate_json(data)
    except ValidationError:
        return None


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
