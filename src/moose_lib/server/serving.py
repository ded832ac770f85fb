"""Running the server: its socket, its store, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Generator
from typing import Final

import uvicorn

from moose_lib.errors import PortBusy, SettingsError
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.project.loader import LoadedProject
from moose_lib.project.serving import ServerSettings
from moose_lib.server.app import build_app

#: How long requests under way may take to end.
_GRACE_SECONDS: Final = 10
_BACKLOG: Final = 2048


async def run_server(project: LoadedProject, *, stop: asyncio.Event, on_ready: Callable[[SqliteStore], None]) -> None:
    """Serve until `stop` is set; then answer what is under way, write what still waits, and return.

    Raises:
        PortBusy: somebody listens there.
        StoreFailed, LossyMigration: the store cannot be used for the declared models.
        SettingsError: the TLS files cannot be read.
    """
    settings = project.project.settings
    with SqliteStore(settings.store_path, project.tables.values(), limit=settings.store.max_waiting) as store:
        config = uvicorn.Config(
            build_app(project, store),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        config.load()
        config.ssl = _tls(settings.server)
        server = _Server(config)
        with _listening(settings.server) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            stopping = asyncio.create_task(stop.wait())
            on_ready(store)
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            stopping.cancel()
            await serving


class _Server(uvicorn.Server):
    """uvicorn's, but signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.contextmanager
def _listening(settings: ServerSettings) -> Generator[socket.socket]:
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, settings.port))
        except OSError as error:
            setting = "[http_server_config] port in moose.config.toml, or --port"
            raise PortBusy(settings.port, holder=None, setting=setting) from error
        listener.listen(_BACKLOG)
        yield listener


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"the TLS certificate {settings.tls_cert} cannot be used: {error}") from error
    return context
