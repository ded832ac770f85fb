"""`/health`, `/liveness`, `/ready`: whether the server lives, can keep records, and reaches what it needs.

The shape is that of the existing Moose, `{"healthy": [...], "unhealthy": [...]}`, with the reasons beside it. A
ClickHouse that does not answer is told as `delayed`, and is no reason for 503: records are kept in the store meanwhile.
`lag_seconds` tells how long the oldest records wait to be committed, and to be moved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from moose_lib.errors import MooseError
from moose_lib.server.engine import Engine

_PATIENCE_SECONDS: Final = 3.0
#: An answer is good for this long: asking costs a commit and a call, and everybody may ask.
_FRESH_SECONDS: Final = 1.0
#: Records that wait for their commit longer than this are not taken in fast enough.
_MOST_LAG_SECONDS: Final = 30.0


class Moving(Protocol):
    """Whoever moves rows to ClickHouse; both tell by table."""

    def troubles(self) -> Mapping[str, str]:
        """Why rows wait that do not move."""
        ...

    def lags(self) -> Mapping[str, float]:
        """Seconds for which the oldest rows wait; 0 where none do."""
        ...


class Checked(Protocol):
    """A store that can tell how it is."""

    @property
    def lag(self) -> float:
        """Seconds for which the oldest records wait to be committed."""
        ...

    async def check(self) -> None:
        """Commit something small; a `MooseError` says why it is not possible."""
        ...


class Health:
    """The routes on health; Temporal counts where the project has workflows, ClickHouse is only told."""

    def __init__(self, store: Checked, engine: Engine, *, needs_engine: bool, moving: Moving | None = None) -> None:
        self._store = store
        self._moving = moving
        self._lags: Mapping[str, float] = {}
        self._lags_until = 0.0
        self._checks: Mapping[str, _Check] = {"store": _Check(store.check), "queue": _Check(_queue_check(store))}
        if needs_engine:
            self._checks = {**self._checks, "temporal": _Check(_engine_check(engine))}

    def routes(self, prefix: str) -> list[Route]:
        """All of them; `prefix` is that of the server."""
        return [
            Route(f"{prefix}/health", self.health, methods=["GET"]),
            Route(f"{prefix}/liveness", self.liveness, methods=["GET"]),
            Route(f"{prefix}/ready", self.ready, methods=["GET"]),
        ]

    async def liveness(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """The server answers: 200."""
        return JSONResponse({"healthy": ["server"], "unhealthy": [], "reasons": {}})

    async def health(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """Records can be kept: 200, else 503 with the reasons."""
        return await self._told(["store", "queue"])

    async def ready(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """Records can be kept, and runs can be started: 200, else 503 with the reasons."""
        return await self._told(list(self._checks))

    async def _told(self, names: list[str]) -> Response:
        found = dict(zip(names, await asyncio.gather(*(self._checks[name].ask() for name in names)), strict=True))
        reasons = {name: reason for name, reason in found.items() if reason is not None}
        healthy = [name for name in names if name not in reasons]
        document: dict[str, object] = {"healthy": healthy, "unhealthy": list(reasons), "reasons": reasons}
        if self._moving is not None:
            document["delayed"] = {f"clickhouse {table}": reason for table, reason in self._moving.troubles().items()}
        document["lag_seconds"] = self._fresh_lags()
        return JSONResponse(document, 503 if reasons else 200)

    def _fresh_lags(self) -> Mapping[str, float]:
        """By what waits; those of tables are read from the store's file."""
        if time.monotonic() >= self._lags_until:
            moving = dict[str, float]() if self._moving is None else self._moving.lags()
            lags = {"store": self._store.lag, **{f"clickhouse {table}": lag for table, lag in moving.items()}}
            self._lags = {name: round(lag, 3) for name, lag in lags.items()}
            self._lags_until = time.monotonic() + _FRESH_SECONDS
        return self._lags


class _Check:
    """Asks, in a bounded time, one at a time, and remembers the answer for a moment."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._reason: str | None = None

    async def ask(self) -> str | None:
        """What is wrong, or `None`."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._reason = await self._asked()
                self._until = time.monotonic() + _FRESH_SECONDS
            return self._reason

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._ask()
        except TimeoutError:
            return f"no answer within {_PATIENCE_SECONDS:g} s"
        except MooseError as error:
            return error.message
        return None


def _queue_check(store: Checked) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if store.lag > _MOST_LAG_SECONDS:
            raise MooseError(f"records wait for {store.lag:.0f} s to be committed")

    return check


def _engine_check(engine: Engine) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        async with engine.client() as client:
            await client.service_client.check_health()

    return check
