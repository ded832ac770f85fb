"""What every request passes: the answers to browsers of other origins, the count, and the last net for errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moose_lib.observing.serving import ServerMetrics
from moose_lib.server.answers import answer_to
from moose_lib.server.refusals import Stopping

_logger: Final = logging.getLogger(__name__)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Of a scope: the route that took the request.
ROUTE: Final = "moose.route"
_UNKNOWN: Final = "(none)"
_TRACING: Final = b"traceparent, tracestate, baggage"
_SENT: Final = (
    b"Authorization, Content-Type, Content-Encoding, Accept, Idempotency-Key, Moose-Place, Moose-Attempt, " + _TRACING
)
_ALLOWED: Final = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", _SENT),
    (b"access-control-max-age", b"600"),
)
_READABLE: Final = (
    b"access-control-expose-headers",
    (
        b"Moose-Stored, Moose-Rejected, Moose-Repeated, Moose-Set-Aside, Moose-Released, Moose-Released-Requests, "
        b"Location, Retry-After, WWW-Authenticate"
    ),
)

#: Answers a request without Starlette: routing and middleware take as long as all else that a small record needs.
Shortcut = Callable[[Scope, Receive], Awaitable[Response]]


class Edge:
    """Stands between the network and `app`; `origins` may read the answers in browsers ("*": all).

    `shortcuts` answer what is posted to their paths, as `app` would.
    """

    def __init__(
        self,
        app: ASGIApp,
        origins: Sequence[str],
        metrics: ServerMetrics,
        shortcuts: Mapping[str, Shortcut] | None = None,
    ) -> None:
        self._app = app
        self._shortcuts: Mapping[str, Shortcut] = {} if shortcuts is None else shortcuts
        self._origins = frozenset(origin.encode() for origin in origins)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # uvicorn is told to send nothing else
        begun, status = time.perf_counter(), 0
        extra = self._for_origin(scope)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            await self._answer(scope, receive, answer)
        except Exception:  # the boundary: whatever it is, the client gets an answer and the log the reason
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            if status == 0:
                await failed()(scope, receive, answer)
        except asyncio.CancelledError:  # the server stops and waits no longer; passed on, it would be a plain 500
            if status != 0:
                raise
            await answer_to(Stopping())(scope, receive, answer)
        finally:
            route, method = scope.get(ROUTE, _UNKNOWN), scope["method"]
            took = time.perf_counter() - begun
            self._metrics.answered(method if method in _METHODS else _UNKNOWN, route, status, took)
            if status >= 400 and _logger.isEnabledFor(logging.DEBUG):
                _logger.debug("%s %s: %d in %.3f s", method, scope["path"], status, took)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        shortcut = self._shortcuts.get(scope["path"]) if scope["method"] == "POST" else None
        if shortcut is not None:
            response = await shortcut(scope, receive)
            await response(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            answer: Response = PlainTextResponse("Success")
            answer.raw_headers += _ALLOWED
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _for_origin(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        if b"*" in self._origins:
            return [(b"access-control-allow-origin", b"*"), _READABLE]
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin in self._origins and origin is not None:
            return [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), _READABLE]
        return [(b"vary", b"Origin")]


def failed() -> Response:
    """The answer to a request that met a fault of the server's."""
    error = {"code": "internal", "message": "the server failed; its log says why", "hint": None}
    return JSONResponse({"error": error}, 500)
