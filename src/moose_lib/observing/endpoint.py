"""An address from which Prometheus fetches metrics: a thread that speaks HTTP, so it answers whatever goes on."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

__all__ = ["METRICS_PATH", "Endpoint", "metrics_url", "own_registry"]

METRICS_PATH: Final = "/metrics"
_SLOWEST_CLIENT_SECONDS: Final = 10.0


class Endpoint:
    """Serves what `registry` gives, asked anew each time, until it is closed.

    Raises:
        OSError: `host` is no address of this machine, or the port is taken.
    """

    def __init__(self, host: str, port: int, registry: Callable[[], CollectorRegistry]) -> None:
        class Handler(_Handler):
            collect = staticmethod(registry)

        self._server = _Server((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="moose-metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The one that was asked for."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Where a browser of this machine finds it."""
        return metrics_url(str(self._server.server_address[0]), self.port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def own_registry() -> CollectorRegistry:
    """The metrics of this process, those that users' code has added among them."""
    return REGISTRY


def metrics_url(host: str, port: int) -> str:
    """Where metrics are: `http://127.0.0.1:9464/metrics`."""
    shown = "localhost" if host in {"", "0.0.0.0", "::", "127.0.0.1"} else host  # noqa: S104  # compared, not bound
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}{METRICS_PATH}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind; without asking for the name of the host, which can take a while and is not needed."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    collect: Callable[[], CollectorRegistry]
    timeout = _SLOWEST_CLIENT_SECONDS
    server_version = "moose"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the metrics, or say where they are."""
        if self.path.partition("?")[0] != METRICS_PATH:
            self._answer(404, "text/plain; charset=utf-8", f"metrics are at {METRICS_PATH}\n".encode())
            return
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        self._answer(200, kind, encode(self.collect()))

    def do_HEAD(self) -> None:
        """Answer without the metrics."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no news."""

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
