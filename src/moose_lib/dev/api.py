"""The HTTP server of a session: a process of its own, started again when it dies, replaced when code is reloaded.

The session itself listens and lends the socket to the process that serves, so no connection is refused while one goes
and the next one comes: it waits. A new server first loads the code and looks at the store; only then is the old one
asked to go, so code that is refused changes nothing. Of two servers, only one ever writes to the store. As long as
there is none, for no code has loaded yet or the server dies at its start, callers are told so at once.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from moose_lib.dev.backoff import Backoff
from moose_lib.dev.events import CodeRefused, OnEvent, ProcessDied, ProcessReady
from moose_lib.dev.ports import busy_port
from moose_lib.dev.waiting import first_of
from moose_lib.dev.worker import REFUSED, Worker
from moose_lib.errors import SettingsError

if TYPE_CHECKING:
    from moose_lib.dev.process import Command

PORT_KEY: Final = "http_server_config.port"
#: A server that goes answers what is under way, for 10 s at most, and writes what still waits.
_GRACE: Final = timedelta(seconds=12)
_BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """The socket of a session.

    Raises:
        PortBusy: somebody has the port.
        SettingsError: `host` is no address of this machine.
    """
    host = "127.0.0.1" if host == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise busy_port(port, PORT_KEY, command="moose-cli dev") from error
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


#: Answers callers in its block, with the reason that it asks for.
StandIn = Callable[[Callable[[], str]], AbstractAsyncContextManager[None]]


class ApiServer:
    """Keeps one server at work, from the first `renew` on; each further one replaces it.

    `stand_in` answers while there is none, for the code does not load, or the server dies at its start.
    """

    def __init__(self, command: Callable[[], Command], on_event: OnEvent, stand_in: StandIn) -> None:
        self._command = command
        self._on_event = on_event
        self._stand_in = stand_in
        self._refusal = ""
        self._backoff = Backoff()
        self._wanted = asyncio.Event()
        self._serving: Worker | None = None
        self._candidate: Worker | None = None
        #: Set when the first server is at work, or has failed to be.
        self.settled = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """None is at work or on its way."""
        return self._serving is None and self._candidate is None and not self._wanted.is_set()

    @property
    def pid(self) -> int | None:
        """The process that serves."""
        return None if self._serving is None else self._serving.pid

    def renew(self) -> None:
        """Have a server with the code of now."""
        self._wanted.set()

    def note_refusal(self, text: str) -> None:
        """Learn why there is no server with the newest code; one that serves goes on."""
        self._refusal = text

    async def run(self) -> None:
        """Keep a server at work until cancelled."""
        await self._wanted.wait()
        while True:
            self._wanted.clear()
            await self._replace()
            await self._until_needed()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Let the servers finish what they answer, and see to it that they are gone."""
        servers = [it for it in (self._serving, self._candidate) if it is not None and it.is_alive]
        leaving = [asyncio.create_task(it.leave(_GRACE)) for it in servers]
        if leaving:
            await first_of(asyncio.wait(leaving), hurry.wait())
        if hurry.is_set():
            for server in servers:
                server.hurry()
        await asyncio.gather(*leaving)

    async def _replace(self) -> None:
        """Start a server; when it has loaded, let the one before go."""
        candidate = self._candidate = Worker(self._on_event, "server")
        await candidate.start(self._command())
        is_loaded, _ = await first_of(candidate.wait_loaded(), candidate.wait())
        old = self._serving
        if is_loaded and old is not None and old.is_alive:
            await old.leave(_GRACE)
        is_ready, _ = await first_of(candidate.wait_ready(), candidate.wait())
        if is_ready:
            self._serving, self._candidate = candidate, None
            if old is None:
                self._on_event(ProcessReady(source="server", pid=candidate.pid, took=candidate.age))
        else:
            self._serving = old if old is not None and old.is_alive else None
            await self._told_off(candidate)
        self.settled.set()

    async def _told_off(self, candidate: Worker) -> None:
        """A server did not come up: for its code, which a save may mend, or for another reason, which may pass."""
        exit_ = await candidate.wait()
        self._candidate = None
        if exit_.code == REFUSED:
            text = candidate.take_errors()
            self.note_refusal(text)
            self._on_event(CodeRefused(text=text, serving=self.pid, files=(), source="server"))
            return
        self.settled.set()
        self.note_refusal(candidate.errors or f"the server died ({exit_})")
        candidate.release_output()
        async with self._standing_in() if self._serving is None else nullcontext():
            await self._pause_after(candidate)
        self._wanted.set()

    async def _until_needed(self) -> None:
        """Wait until another server is wanted, or this one has died and the pause after that is over."""
        if self._wanted.is_set():
            return
        serving = self._serving
        if serving is None:
            async with self._standing_in():
                await self._wanted.wait()
            return
        _, has_died = await first_of(self._wanted.wait(), serving.wait())
        if has_died:
            self._serving = None
            await self._pause_after(serving)

    def _standing_in(self) -> AbstractAsyncContextManager[None]:
        return self._stand_in(lambda: self._refusal)

    async def _pause_after(self, dead: Worker) -> None:
        exit_ = await dead.wait()
        pause = self._backoff.after(exit_.lived)
        self._on_event(ProcessDied(source="server", pid=dead.pid, exit=exit_, restart_in=pause))
        await first_of(self._wanted.wait(), within=pause)
