"""A worker, or a server, as `dev` sees its process: it gets ready, works, and is asked to go."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from datetime import timedelta

from moose_lib.dev.events import Exit, OnEvent, OutputLine, ProcessStarted, ProcessStopped, Source
from moose_lib.dev.process import Child, Command, Stream, start_child
from moose_lib.dev.readiness import LOADED, Ready, read_ready
from moose_lib.dev.waiting import first_of

#: A worker ends with this code when the user's code does not import or its definitions are wrong.
REFUSED = 2
#: After its grace period, and after it was told to hurry, a worker gets this long before it is killed.
MARGIN = timedelta(seconds=3)
_KEPT_LINES = 1000


class Worker:
    """One worker process.

    What it writes on stderr before it is ready is held back: if its code is refused, that is the reason and is told as
    such (`errors`), otherwise it is output like any other.
    """

    def __init__(self, on_event: OnEvent, source: Source = "worker") -> None:
        self._on_event = on_event
        self._source: Source = source
        self._loaded = asyncio.Event()
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._held: deque[str] | None = deque(maxlen=_KEPT_LINES)
        self._child: Child | None = None
        self._hurry = asyncio.Event()

    async def start(self, command: Command) -> None:
        """Start the process; once.

        Raises:
            OSError: the program cannot be started.
        """
        self._child = await start_child(command, self._take_line, on_ready=self._take_ready)
        self._on_event(ProcessStarted(source=self._source, pid=self.pid))

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it was started and its end has not been noticed yet."""
        return self._child is not None and self._child.is_alive

    @property
    def age(self) -> timedelta:
        """Time since its start."""
        return self._process.age

    @property
    def ready(self) -> Ready | None:
        """What it said when it began to poll, or `None`."""
        return self._ready.result() if self._ready.done() else None

    async def wait_ready(self) -> Ready:
        """Wait until it polls; never returns if it dies."""
        return await asyncio.shield(self._ready)

    async def wait_loaded(self) -> None:
        """Wait until it has loaded its code, as servers tell; never returns if it dies."""
        await self._loaded.wait()

    async def wait(self) -> Exit:
        """Wait for its end and for the last of its output."""
        return await self._process.wait()

    @property
    def errors(self) -> str:
        """What it wrote on stderr before it was ready, as long as nobody has taken it."""
        return "\n".join(self._held or ())

    def take_errors(self) -> str:
        """Take these, so that they are not told as output too."""
        errors, self._held = self.errors, None
        return errors

    def release_output(self) -> None:
        """Tell what was held back."""
        for text in self.take_errors().splitlines():
            self._tell("stderr", text)

    async def leave(self, grace: timedelta) -> None:
        """Let it finish its tasks, take no new ones and go.

        SIGTERM makes it drain. When the grace is over, or on `hurry`, a second signal makes it give up what it still
        runs; if that does not end it either, it is killed. To one that works SIGINT means the same as SIGTERM, and is
        the second: two SIGTERMs are one to the kernel if the first has not been delivered yet.
        """
        self._process.terminate()
        await first_of(self.wait(), self._hurry.wait(), within=grace)
        second = signal.SIGTERM if self.ready is None else signal.SIGINT
        exit_, killed = await self._process.stop(MARGIN, second)
        self.release_output()
        self._on_event(ProcessStopped(source=self._source, pid=self.pid, exit=exit_, killed=killed))

    def hurry(self) -> None:
        """End the grace period of a worker that leaves."""
        self._hurry.set()

    @property
    def _process(self) -> Child:
        assert self._child is not None, "start() comes first"
        return self._child

    def _take_line(self, stream: Stream, text: str) -> None:
        if stream == "stderr" and self._held is not None:
            self._held.append(text)
        else:
            self._tell(stream, text)

    def _tell(self, stream: Stream, text: str) -> None:
        pid = 0 if self._child is None else self._child.pid  # output may come before start() has returned
        self._on_event(OutputLine(source=self._source, pid=pid, stream=stream, text=text))

    def _take_ready(self, line: str) -> None:
        if line == LOADED:
            self._loaded.set()
        ready = read_ready(line)
        if ready is not None and not self._ready.done():
            self._ready.set_result(ready)
            self.release_output()
