"""Connections within limits: so many at a time, and headers that come in time and are not endless.

uvicorn itself waits for headers forever and takes as many of them as come.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from moose_lib.server.incoming import HAS_BODY

_HEADERS_WITHIN_SECONDS: Final = 20.0
_MOST_HEADER_BYTES: Final = 64 * 1024
#: When the server goes: for the first request of who has just connected.
_FIRST_REQUEST_WITHIN_SECONDS: Final = 0.5
#: Files that a process needs beside its connections.
_SPARE_FILES: Final = 200
_MOST_FILES: Final = 65_536


def raise_file_limit() -> int:
    """Let this process have as many files open as the system allows it; tells how many connections fit in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(16, (_MOST_FILES if soft == resource.RLIM_INFINITY else soft) - _SPARE_FILES)


class Connection(HttpToolsProtocol):
    """One connection; `most` of them may be open, the next ones are closed at once."""

    most: int = _MOST_FILES
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _is_in_headers = True
    _has_asked = False
    _is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's does too
        """Take it, if there is room, and begin to wait for headers."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; headers that do not end are waited for, and cut off."""
        super().data_received(data)
        if self._is_in_headers:  # most requests come whole, and need no timer of their own
            self._await_headers()
            self._header_bytes += len(data)
            if self._header_bytes > _MOST_HEADER_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """The first line of a request begins."""
        super().on_message_begin()
        self._is_in_headers = True

    def on_headers_complete(self) -> None:
        """The rest is the body's, which has limits of its own."""
        self._is_in_headers = False
        self._stop_waiting()
        super().on_headers_complete()
        self._has_asked = True
        if self._is_last:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The body is here, to its end."""
        super().on_message_complete()
        self.scope[HAS_BODY] = True  # type: ignore[typeddict-unknown-key]  # ours, and ASGI lets us

    def shutdown(self) -> None:
        """Close it, unless nothing has come yet: who has just connected is about to send, and is answered before."""
        if self._has_asked:
            super().shutdown()
        else:
            self._is_last = True
            self.loop.call_later(_FIRST_REQUEST_WITHIN_SECONDS, super().shutdown)

    def _await_headers(self) -> None:
        if self._deadline is None:
            self._header_bytes = 0
            self._deadline = self.loop.call_later(_HEADERS_WITHIN_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
