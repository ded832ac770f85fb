"""What a server of ours listens with: its socket, its TLS, and uvicorn as we set it up."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from moose_lib.errors import PortBusy, SettingsError
from moose_lib.project.serving import ServerSettings
from moose_lib.server.connections import Connection

__all__ = ["http_server", "listening", "tls_of"]

#: How long requests under way may take to end.
_GRACE_SECONDS: Final = 10
_BACKLOG: Final = 2048


def http_server(app: ASGIApp, most: int, tls: ssl.SSLContext | None = None) -> uvicorn.Server:
    """A server for `app` with at most so many connections; it handles no signals."""
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


@contextlib.contextmanager
def listening(settings: ServerSettings, port: int, key: str) -> Generator[socket.socket]:
    """A socket on a port of the settings' host; `key` is the setting of the port.

    Raises:
        PortBusy: somebody listens there.
        SettingsError: the host is no address of this machine.
    """
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


def tls_of(settings: ServerSettings) -> ssl.SSLContext | None:
    """The certificate to show; `None`: plain HTTP.

    Raises:
        SettingsError: its files cannot be read, or do not fit.
    """
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


class _Server(uvicorn.Server):
    """uvicorn's, but signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _unusable(cert: Path, key: Path | None, error: OSError) -> SettingsError:
    """A certificate without a key may have it in its own file."""
    text = f"the TLS certificate {cert} cannot be used"
    if key is None and isinstance(error, ssl.SSLError):
        hint = "name the file of its private key, as tls_key in [http_server_config]"
        return SettingsError(f"{text}: tls_key is missing, and this file has no private key that fits", hint=hint)
    return SettingsError(f"{text}{'' if key is None else f' with the key {key}'}: {error}")
