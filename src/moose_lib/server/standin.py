"""What answers on the port as long as no server comes up: 503 with the reason for everybody, so that nobody waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.types import Receive, Scope, Send

from moose_lib.errors import SettingsError
from moose_lib.observing.serving import ServerMetrics
from moose_lib.project.serving import ServerSettings
from moose_lib.server.answers import answer_to
from moose_lib.server.edge import Edge
from moose_lib.server.listening import http_server, tls_of
from moose_lib.server.refusals import NotServing

__all__ = ["reason_in", "standing_in"]

_MOST_CONNECTIONS: Final = 100


@asynccontextmanager
async def standing_in(
    listener: socket.socket, settings: ServerSettings, reason: Callable[[], str]
) -> AsyncGenerator[None]:
    """Answer on `listener`, which stays open afterwards, for the time of the block; `reason` is asked each time."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_to(NotServing(reason()))(scope, receive, send)

    tls = None
    with contextlib.suppress(SettingsError):  # it may be why there is no server
        tls = tls_of(settings)
    server = http_server(Edge(refuse, settings.cors_origins, ServerMetrics()), _MOST_CONNECTIONS, tls)
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def reason_in(text: str) -> str:
    """What a command wrote before it gave up, in one line: its errors and the exception, without the traceback."""
    lines = [it for it in text.splitlines() if it.strip() and not it.startswith((" ", "Traceback ", "hint: "))]
    return "; ".join(it.removeprefix("error: ") for it in lines)
