"""A server that tells what it was asked, and code that runs as an attempt does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.server.clicks import Click, Web

from moose_lib import IngestPipeline
from moose_lib.dmv2 import RunInfo, _registry
from moose_lib.logs.attribution import current_run


@pytest.fixture
def clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IngestPipeline[Click]]:
    monkeypatch.chdir(tmp_path)
    _registry.clear()
    yield IngestPipeline[Click]("Clicks")
    _registry.clear()


@pytest.fixture
def stop() -> asyncio.Event:
    """What tells a server to stop."""
    return asyncio.Event()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, self.headers["Idempotency-Key"], body))
            state.tokens.append(self.headers["Authorization"])
            state.places.append(self.headers["Moose-Place"])
            status, headers = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if not status:  # taken, and the answer is lost
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "4"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"text")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Web(listener.server_port)
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("MOOSE_HTTP_SERVER_CONFIG__PORT", str(state.port))
    yield state
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def in_run() -> Iterator[Callable[[RunInfo], None]]:
    token = current_run.set(None)
    begun = list[RunInfo]()

    def begin(run: RunInfo) -> None:
        begun.append(run)
        current_run.set(run)

    yield begin
    for run in begun:
        run.deliveries.end()
    current_run.reset(token)
