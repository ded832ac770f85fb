"""One child process: in its own session, its output as lines, its end noticed at once, its group gone afterwards.

A session of its own keeps a terminal's Ctrl-C away from it: only its owner stops it. What it started itself and left
behind is in its process group and is killed with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Literal

from moose_lib.dev import launch
from moose_lib.dev.events import Exit

if TYPE_CHECKING:
    from pathlib import Path

Stream = Literal["stdout", "stderr"]
OnLine = Callable[[Stream, str], None]

READY_OPTION = "--ready-fd"
_LONGEST_LINE = 64 * 1024
_DRAIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to start: program with arguments, folder, whole environment; open files that it gets."""

    arguments: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    inherited: tuple[int, ...] = ()


async def start_child(command: Command, on_line: OnLine, *, on_ready: Callable[[str], None] | None = None) -> Child:
    """Start a process; with `on_ready` it gets `--ready-fd N`, and the lines it writes there are handed over.

    Raises:
        OSError: the program cannot be started.
    """
    if on_ready is None:
        child, sayings = _spawn(command), None
    else:
        reading, writing = os.pipe()
        sayings = os.fdopen(reading, "rb", buffering=0)
        try:
            child = _spawn(command, writing)
        except OSError:
            sayings.close()
            raise
        finally:
            os.close(writing)
    try:
        await child.follow(on_line)
        if sayings is not None and on_ready is not None:
            await child.read(sayings, on_ready)
    except BaseException:
        child.kill()
        await child.wait()
        child.close()
        if sayings is not None:
            sayings.close()
        raise
    return child


def _spawn(command: Command, inherited: int | None = None) -> Child:
    option = () if inherited is None else (READY_OPTION, str(inherited))
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command.arguments, *option],
        cwd=command.directory,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=command.inherited if inherited is None else (*command.inherited, inherited),
    )
    return Child(process)


class Child:
    """A started process; made by `start_child`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._pipes: list[tuple[asyncio.ReadTransport, Lines]] = []
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        threading.Thread(target=self._watch, name=f"wait-{self.pid}", daemon=True).start()

    async def follow(self, on_line: OnLine) -> None:
        """Hand over every line of its output."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        await self.read(self._process.stdout, lambda text: on_line("stdout", text))
        await self.read(self._process.stderr, lambda text: on_line("stderr", text))

    async def read(self, pipe: IO[bytes], on_line: Callable[[str], None]) -> None:
        """Hand over every line that comes out of a pipe."""
        self._pipes.append(await self._loop.connect_read_pipe(lambda: Lines(on_line), pipe))

    @property
    def is_alive(self) -> bool:
        """Whether its end has not been noticed yet."""
        return not self._ended.done()

    @property
    def age(self) -> timedelta:
        """Time since its start."""
        return timedelta(seconds=self._loop.time() - self._started)

    async def wait(self) -> Exit:
        """Wait for its end and for the last of its output."""
        exit_ = await asyncio.shield(self._ended)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):  # a process that left the group may hold the pipes open
                for _, lines in self._pipes:
                    await lines.ended.wait()
        for transport, _ in self._pipes:
            transport.close()
        return exit_

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop, by a signal to the process alone."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, and all of its group, at once."""
        if self.is_alive:
            self._kill_group()

    async def stop(self, patience: timedelta, number: signal.Signals = signal.SIGTERM) -> tuple[Exit, bool]:
        """Ask it to stop and kill it if it has not by then; tells how it ended and whether it was killed."""
        self.terminate(number)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                return await self.wait(), False
        except TimeoutError:
            self.kill()
            return await self.wait(), True

    def close(self) -> None:
        """Close pipes that nobody reads."""
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _kill_group(self) -> None:
        # EPERM: macOS answers so for a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _watch(self) -> None:
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop may be gone by now
            self._loop.call_soon_threadsafe(self._note_end, code)

    def _note_end(self, code: int) -> None:
        self._kill_group()
        name = None if code >= 0 else _signal_name(-code)
        self._ended.set_result(Exit(code=code if code >= 0 else None, signal=name, lived=self.age))


class Lines(asyncio.Protocol):
    """Cuts what comes out of a pipe into lines; `ended` is set when the other side is closed."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.ended = asyncio.Event()
        self._on_line = on_line
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Take what arrived; a line that never ends is cut."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line)
        if len(self._rest) > _LONGEST_LINE:
            self._emit(self._rest)
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # an error is an end too
        """Take the rest, which has no newline."""
        if self._rest:
            self._emit(self._rest)
        self.ended.set()

    def _emit(self, line: bytes) -> None:
        self._on_line(line.decode(errors="replace").rstrip("\r"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"
