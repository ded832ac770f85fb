"""Running the server: its socket, its store, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.types import ASGIApp

from moose_lib.errors import PortBusy, SettingsError
from moose_lib.ingest.clickhouse import require_driver
from moose_lib.ingest.errors import StoreNotFound
from moose_lib.ingest.querying import reading
from moose_lib.ingest.schema import pending_changes
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.observing.serving import ServerMetrics
from moose_lib.project.loader import LoadedProject
from moose_lib.project.serving import ServerSettings
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps
from moose_lib.server.auth import Doorkeeper
from moose_lib.server.connections import Connection, raise_file_limit
from moose_lib.server.sole import sole_writer

if TYPE_CHECKING:
    from moose_lib.ingest.clickhouse.mover import Mover

#: How long requests under way may take to end.
_GRACE_SECONDS: Final = 10
_BACKLOG: Final = 2048
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
    _tls(settings.server)
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
            listener = stack.enter_context(_listening(settings.server, settings.server.port, "port"))
        else:
            listener = stack.enter_context(socket.socket(fileno=listen_fd))
        await stack.enter_async_context(sole_writer(settings.store_path, _PATIENCE[listen_fd is not None]))
        manager = _management(settings, stack)
        tables = project.tables.values()
        store = stack.enter_context(SqliteStore(settings.store_path, tables, limit=settings.store.max_waiting))
        metrics = ServerMetrics() if metrics is None else metrics
        mover = await _mover(project, store, metrics, stack)
        apps = build_apps(project, store, metrics, mover)
        servers = [(_server(apps.main, most, _tls(settings.server)), listener)]
        if manager is not None:
            servers.append((_server(apps.management, most), manager))
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


def _server(app: ASGIApp, most: int, tls: ssl.SSLContext | None = None) -> _Server:
    config = uvicorn.Config(
        app,
        http=type("LimitedConnection", (Connection,), {"most": most}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    config.load()
    config.ssl = tls
    return _Server(config)


class _Server(uvicorn.Server):
    """uvicorn's, but signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _management(settings: Settings, stack: AsyncExitStack) -> socket.socket | None:
    """The management port; if nobody has chosen it, it may be that of another project's server."""
    try:
        return stack.enter_context(_listening(settings.server, settings.server.management_port, "management_port"))
    except PortBusy:
        if "http_server_config.management_port" in settings.sources:
            raise
        return None


@contextlib.contextmanager
def _listening(settings: ServerSettings, port: int, key: str) -> Generator[socket.socket]:
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from error
            flag = "--" + key.replace("_", "-")
            setting = f"[http_server_config] {key} in moose.config.toml, or {flag}"
            raise PortBusy(port, holder=None, setting=setting) from error
        yield listener


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            hint = "name the file of the certificate, as tls_cert, or take tls_key out"
            raise SettingsError("tls_key in [http_server_config] is set, and tls_cert is missing", hint=hint)
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(settings.tls_cert, settings.tls_key, error) from error
    return context


def _unusable(cert: Path, key: Path | None, error: OSError) -> SettingsError:
    """A certificate without a key may have it in its own file."""
    text = f"the TLS certificate {cert} cannot be used"
    if key is None and isinstance(error, ssl.SSLError):
        hint = "name the file of its private key, as tls_key in [http_server_config]"
        return SettingsError(f"{text}: tls_key is missing, and this file has no private key that fits", hint=hint)
    return SettingsError(f"{text}{'' if key is None else f' with the key {key}'}: {error}")
