"""The server's connection to Temporal: made when it is first needed, shared by all requests, remade after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from moose_lib.operations.connecting import Client, connect, ui_of
from moose_lib.operations.rpc import told_by_server
from moose_lib.project.settings import Settings


class Engine:
    """A client of the project's Temporal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._lock = asyncio.Lock()

    @property
    def task_queue(self) -> str:
        """The queue of the project's workers."""
        return self._settings.temporal.task_queue

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        """Lend the client.

        Raises:
            EngineUnreachable: nobody answers, or went away meanwhile.
        """
        async with self._lock:
            if self._client is None:
                self._client = await connect(self._settings)
        with told_by_server(self._client):
            yield self._client

    def ui(self, client: Client) -> str | None:
        """The address of Temporal's UI beside it, where it is known."""
        return ui_of(client, self._settings)
