"""What happens in a development session, told as frozen records; showing them is the caller's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

Source = Literal["temporal", "worker", "server"]


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a process ended: by itself with a code, or by a signal (`SIGKILL`), after living so long."""

    code: int | None
    signal: str | None
    lived: timedelta

    @property
    def is_orderly(self) -> bool:
        """It ended by itself, and without an error."""
        return self.code == 0

    def __str__(self) -> str:
        """`exit code 1` or `SIGKILL`."""
        return f"exit code {self.code}" if self.signal is None else self.signal


@dataclass(frozen=True, kw_only=True)
class DevFacts:
    """What runs where.

    `workflows` are the names the worker serves, `None` if it did not tell; `schedules` are the schedules of those that
    have one, as text, and `notes` what of them should be looked after.
    What belongs to an embedded Temporal is `None` when the session works against another, and `worker_pid` and
    `server_pid` when the user's code was refused.
    """

    root: Path
    entry: Path
    temporal_address: str | None
    namespace: str
    task_queue: str
    ui_url: str | None
    metrics_url: str | None = None
    api_url: str | None = None
    db_file: Path | None
    temporal_log: Path | None
    temporal_version: str | None
    temporal_pid: int | None
    worker_pid: int | None
    server_pid: int | None = None
    workflows: tuple[str, ...] | None
    schedules: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ProcessStarted:
    """A child was started; it is not ready yet."""

    source: Source
    pid: int


@dataclass(frozen=True, kw_only=True)
class ProcessReady:
    """A child does its work, `took` after its start: at first, or again after it died (`Reloaded` tells of saves)."""

    source: Source
    pid: int
    took: timedelta


@dataclass(frozen=True, kw_only=True)
class ProcessDied:
    """A child ended though nobody asked it to; it is started again after `restart_in`, if at all."""

    source: Source
    pid: int
    exit: Exit
    restart_in: timedelta | None


@dataclass(frozen=True, kw_only=True)
class ProcessStopped:
    """A child ended because it was asked to; `killed` if it did not in time."""

    source: Source
    pid: int
    exit: Exit
    killed: bool


@dataclass(frozen=True, kw_only=True)
class OutputLine:
    """A line a child wrote."""

    source: Source
    pid: int
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, kw_only=True)
class DevReady:
    """Temporal answers and, unless the user's code does not load, a worker polls."""

    facts: DevFacts
    took: timedelta


@dataclass(frozen=True, kw_only=True)
class Reloading:
    """Files were saved; a worker with the new code starts while the old one goes on."""

    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """The new code is at work, `took` after the save; the old worker finishes its tasks and goes.

    `news` says which schedules it has changed on the server, `notes` what of them should be looked after.
    """

    pid: int
    took: timedelta
    files: tuple[Path, ...]
    workflows: tuple[str, ...] | None
    news: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CodeRefused:
    """The user's code does not import or its definitions are wrong; `text` is what the new worker wrote on stderr.

    `serving` is the old worker that keeps working, if there is one; the next save is the next chance. `source` is
    "server" where only the server refuses it.
    """

    text: str
    serving: int | None
    files: tuple[Path, ...]
    source: Source = "worker"


@dataclass(frozen=True, kw_only=True)
class WatchLost:
    """Saves are no longer seen, for this reason; a restart of `dev` is needed to see them."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class TemporalVersionChanged:
    """The database was last used by another version of Temporal's CLI; `older` if that one was newer than this."""

    db_file: Path
    before: str
    now: str
    older: bool


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """The session ends: the worker first, then the server, then Temporal. A second interrupt makes it hurry."""

    grace_period: timedelta


DevEvent = (
    ProcessStarted
    | ProcessReady
    | ProcessDied
    | ProcessStopped
    | OutputLine
    | DevReady
    | Reloading
    | Reloaded
    | CodeRefused
    | WatchLost
    | TemporalVersionChanged
    | Stopping
)
OnEvent = Callable[[DevEvent], None]
