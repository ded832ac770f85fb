"""A client for the time of one piece of work."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio.client import Client

from moose_lib.engine.connection import connect
from moose_lib.operations.links import ui_address
from moose_lib.operations.rpc import told_by_server
from moose_lib.project.settings import Settings

__all__ = ["Client", "connect", "connected", "ui_of"]


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Client]:
    """Connect, and turn what the server refuses into our errors.

    Raises:
        EngineUnreachable: nobody answers, or went away.
    """
    client = await connect(settings)
    with told_by_server(client):
        yield client


def ui_of(client: Client, settings: Settings) -> str | None:
    """Return the address of Temporal's UI beside this server, where it is known."""
    return ui_address(client.service_client.config.target_host, settings.ui_port)
