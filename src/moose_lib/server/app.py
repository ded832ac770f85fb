"""The ASGI app: from a path to what answers it, and from what went wrong to an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope

from moose_lib.errors import MooseError
from moose_lib.ingest.store import Store
from moose_lib.observing.serving import ServerMetrics
from moose_lib.project.loader import LoadedProject
from moose_lib.server.answers import answer_to
from moose_lib.server.auth import Doorkeeper
from moose_lib.server.bodies import BodyReader, Budget
from moose_lib.server.described import DescribedRoute
from moose_lib.server.edge import ROUTE, Edge, Shortcut, failed
from moose_lib.server.engine import Engine
from moose_lib.server.health import Checked, Health, Moving
from moose_lib.server.incoming import Incoming
from moose_lib.server.ingest import Ingest, Target, Targets
from moose_lib.server.logs import Logs
from moose_lib.server.openapi import document
from moose_lib.server.pages import Pages
from moose_lib.server.receipts import wants_detail
from moose_lib.server.refusals import Refusal
from moose_lib.server.schedules import Schedules
from moose_lib.server.workflows import Workflows

_Endpoint = Callable[[Request], Awaitable[Response]]

#: The existing Moose's; the rest of its sentence names its own dashboard.
_NOTHING_HERE: Final = "MooseStack: 404 Not Found\nTo see available routes, run: `moose-cli ls`, or look at /docs"


class OpenStore(Store, Checked, Protocol):
    """A store that takes records and tells how it is."""

    @property
    def waiting(self) -> int:
        """Bytes that wait to be written."""
        ...


@dataclass(frozen=True, kw_only=True)
class Apps:
    """What answers on the port, and on the management port."""

    main: ASGIApp
    management: ASGIApp


def build_apps(
    project: LoadedProject,
    store: OpenStore,
    metrics: ServerMetrics | None = None,
    moving: Moving | None = None,
    stop: asyncio.Event | None = None,
) -> Apps:
    """The apps for a loaded project; `moving` tells what waits for ClickHouse, if rows move there.

    Requests that wait for a run are answered when `stop` is set.
    """
    settings = project.project.settings
    server = settings.server
    metrics = ServerMetrics() if metrics is None else metrics
    metrics.watch("moose_store_waiting_bytes", "What waits to be committed.", lambda: store.waiting)
    metrics.watch("moose_store_lag_seconds", "How long the oldest of it waits.", lambda: store.lag)
    bodies = BodyReader(
        limit=server.max_request_body_size,
        seconds=server.body_timeout.total_seconds(),
        budget=Budget(server.max_bodies_in_flight),
    )
    doorkeeper, engine = Doorkeeper(settings, project.endpoints), Engine(settings)
    prefix = server.prefix
    stop = asyncio.Event() if stop is None else stop
    admin = _admin_ways(project, engine, bodies, stop, prefix)
    health = Health(store, engine, needs_engine=bool(project.workflows), moving=moving)
    title = project.project.name
    # As they are guarded here, so that the document needs to know nothing of keys.
    endpoints = [replace(it, is_open=not doorkeeper.asks(it)) for it in project.endpoints]
    told = document(title, endpoints, admin, prefix=prefix, has_ingest_key=True)
    shown = [*health.routes(prefix), *Pages(title, told, metrics).routes(prefix)]
    taken, shortcuts = _ingest_ways(project, store, bodies, doorkeeper, metrics, prefix)
    routes = [*taken, *shown, *(_guarded(route, doorkeeper) for route in admin)]
    outside = [*health.routes(""), *Pages(title, told, metrics).routes("")]
    if server.tls_cert is None:  # else keys, which come through TLS to the port, would go there in the clear
        outside += [_guarded(route, doorkeeper) for route in _admin_ways(project, engine, bodies, stop, "")]
    return Apps(
        main=Edge(_starlette(routes), server.cors_origins, metrics, shortcuts),
        management=Edge(_starlette(outside), server.cors_origins, metrics),
    )


def _admin_ways(
    project: LoadedProject, engine: Engine, bodies: BodyReader, stop: asyncio.Event, prefix: str
) -> list[DescribedRoute]:
    """The routes of the admin API, whose links go to their own port."""
    parts = (Workflows(project, engine, bodies, stop), Schedules(project, engine, bodies), Logs(project, engine))
    return [route for part in parts for route in part.routes(prefix)]


def _starlette(routes: Iterable[Route]) -> Starlette:
    app = Starlette(
        routes=[_named(route) for route in routes],
        exception_handlers={MooseError: _refused, HTTPException: _not_here, Exception: _broken},
    )
    app.router.redirect_slashes = False  # the caller's Host would say where to, and no key has been asked for by then
    return app


def _ingest_ways(
    project: LoadedProject,
    store: Store,
    bodies: BodyReader,
    doorkeeper: Doorkeeper,
    metrics: ServerMetrics,
    prefix: str,
) -> tuple[list[Route], dict[str, Shortcut]]:
    """The routes of all requests with records, and the ways of those for a path as it is declared."""
    targets = Targets(project.endpoints)
    ingest = Ingest(targets, store, bodies, metrics, is_partial=project.project.settings.ingest.partial)

    async def take_records(request: Request) -> Response:
        path = f"ingest/{request.path_params.get('path', '')}"
        target = targets.find(path)
        if doorkeeper.asks(None if target is None else target.endpoint):
            doorkeeper.let_ingest(request)
        if target is None:
            raise targets.unknown(path)
        return await ingest(target, Incoming(request.scope, request.receive))

    def shortcut(target: Target) -> Shortcut:
        asks = doorkeeper.asks(target.endpoint)

        async def take(scope: Scope, receive: Receive) -> Response:
            try:
                if asks:
                    doorkeeper.let_ingest(Request(scope))
                return await ingest(target, Incoming(scope, receive))
            except MooseError as error:
                return await _refused(Request(scope), error)

        return take

    paths = (f"{prefix}/ingest/{{path:path}}", f"{prefix}/ingest")
    routes = [Route(path, take_records, methods=["POST"]) for path in paths]
    return routes, {f"{prefix}{target.route}": shortcut(target) for target in targets}


def _guarded(route: DescribedRoute, doorkeeper: Doorkeeper) -> Route:
    """The same route for those who may administrate, and who ask for what there is."""
    endpoint: _Endpoint = route.endpoint

    async def guarded(request: Request) -> Response:
        doorkeeper.let_administrate(request)
        route.check(request.query_params)
        return await endpoint(request)

    return Route(route.path, guarded, methods=sorted(route.methods or ()))


def _named(route: Route) -> Route:
    """The same route, which writes its name down for the metrics."""
    endpoint: _Endpoint = route.endpoint

    async def named(request: Request) -> Response:
        request.scope[ROUTE] = route.path
        return await endpoint(request)

    return Route(route.path, named, methods=sorted(route.methods or ()))


async def _refused(request: Request, error: Exception) -> Response:
    """An error of ours as ingest's plain sentence, or as JSON for everybody else."""
    assert isinstance(error, MooseError), "registered for this class"
    if (
        isinstance(error, Refusal)
        and "/ingest/" in f"{request.url.path}/"
        and "json" not in request.headers.get("accept", "")
        and not wants_detail(Incoming(request.scope, request.receive))
    ):
        return PlainTextResponse(error.message, error.status, error.headers)
    return answer_to(error)


async def _not_here(request: Request, error: Exception) -> Response:
    """A path or method that nothing answers: as text for those who ask for text, else as JSON."""
    assert isinstance(error, HTTPException), "registered for this class"
    accept = request.headers.get("accept", "")
    if error.status_code == 404 and "text/" in accept and "json" not in accept:
        return PlainTextResponse(_NOTHING_HERE, 404)
    known = {404: ("not-found", "nothing is here"), 405: ("method-not-allowed", f"no {request.method} here")}
    code, message = known.get(error.status_code, ("bad-request", error.detail))
    hint = "see /docs or /openapi.json"
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, error.status_code, error.headers)


async def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001  # starlette's; the edge logs it
    return failed()
