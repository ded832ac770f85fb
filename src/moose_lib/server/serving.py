"""Running the server: its socket, its store, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moose_lib.errors import PortBusy
from moose_lib.ingest.clickhouse import require_driver
from moose_lib.ingest.errors import StoreNotFound
from moose_lib.ingest.querying import reading
from moose_lib.ingest.schema import pending_changes
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.observing.serving import ServerMetrics
from moose_lib.project.loader import LoadedProject
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps
from moose_lib.server.auth import Doorkeeper
from moose_lib.server.connections import raise_file_limit
from moose_lib.server.listening import http_server, listening, tls_of
from moose_lib.server.sole import sole_writer

if TYPE_CHECKING:
    from moose_lib.ingest.clickhouse.mover import Mover

#: Seconds to wait for another server to end: one that was just stopped, or one that is being replaced.
_PATIENCE: Final = {False: 3.0, True: 30.0}


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What runs: its store, and where the management port is, `None` if that is somebody else's."""

    store: SqliteStore
    management_port: int | None


def require_ready(project: LoadedProject) -> None:
    """Refuse what `run_server` would refuse for the project's code and settings; nothing is changed.

    Raises:
        LossyMigration: a declared model does not go with what its table holds.
        SettingsError: the settings of keys, tokens or TLS are wrong.
        MissingDriver: records are to move on to ClickHouse, and its driver is not installed.
        StoreFailed: the store cannot be read.
    """
    settings = project.project.settings
    Doorkeeper(settings, project.endpoints)
    tls_of(settings.server)
    require_driver(settings)
    with contextlib.suppress(StoreNotFound), reading(settings.store_path) as connection:
        for table in project.tables.values():
            pending_changes(connection, table)


async def run_server(
    project: LoadedProject,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[Serving], None],
    listen_fd: int | None = None,
    metrics: ServerMetrics | None = None,
) -> None:
    """Serve until `stop` is set; then answer what is under way, write what still waits, and return.

    With `listen_fd`, a socket that listens already, it takes over from a server that goes.

    Raises:
        PortBusy: somebody listens there.
        StoreFailed, LossyMigration: the store cannot be used for the declared models.
        SettingsError: the TLS files cannot be read, or the settings of keys and tokens are wrong.
        MissingDriver: records are to move on to ClickHouse, and its driver is not installed.
    """
    settings = project.project.settings
    require_driver(settings)
    most = raise_file_limit()
    async with AsyncExitStack() as stack:
        if listen_fd is None:
            listener = stack.enter_context(listening(settings.server, settings.server.port, "port"))
        else:
            listener = stack.enter_context(socket.socket(fileno=listen_fd))
        await stack.enter_async_context(sole_writer(settings.store_path, _PATIENCE[listen_fd is not None]))
        manager = _management(settings, stack)
        tables = project.tables.values()
        store = stack.enter_context(SqliteStore(settings.store_path, tables, limit=settings.store.max_waiting))
        metrics = ServerMetrics() if metrics is None else metrics
        mover = await _mover(project, store, metrics, stack)
        apps = build_apps(project, store, metrics, mover, stop)
        servers = [(http_server(apps.main, most, tls_of(settings.server)), listener)]
        if manager is not None:
            servers.append((http_server(apps.management, most), manager))
        serving = [asyncio.create_task(server.serve(sockets=[it])) for server, it in servers]
        stopping = asyncio.create_task(stop.wait())
        port = None if manager is None else settings.server.management_port
        on_ready(Serving(store=store, management_port=port))
        await asyncio.wait({*serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


async def _mover(
    project: LoadedProject, store: SqliteStore, metrics: ServerMetrics, stack: AsyncExitStack
) -> Mover | None:
    """What moves rows on to ClickHouse, if there is one; it ends before the store does."""
    settings = project.project.settings
    if settings.clickhouse is None:
        return None
    from moose_lib.ingest.clickhouse.mover import Mover  # half a second that only this has to pay

    tables, endpoints = project.tables.values(), project.endpoints
    mover = Mover(settings.clickhouse, store, settings.store_path, tables, endpoints, metrics.for_moves())
    return await stack.enter_async_context(mover)


def _management(settings: Settings, stack: AsyncExitStack) -> socket.socket | None:
    """The management port; if nobody has chosen it, it may be that of another project's server."""
    try:
        return stack.enter_context(listening(settings.server, settings.server.management_port, "management_port"))
    except PortBusy:
        if "http_server_config.management_port" in settings.sources:
            raise
        return None
