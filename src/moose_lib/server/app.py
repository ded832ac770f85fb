"""The ASGI app: from a path to what answers it, and from what went wrong to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from moose_lib.errors import MooseError
from moose_lib.ingest.store import Store
from moose_lib.project.loader import LoadedProject
from moose_lib.server.answers import answer_to
from moose_lib.server.auth import Doorkeeper
from moose_lib.server.bodies import BodyReader, Budget
from moose_lib.server.engine import Engine
from moose_lib.server.ingest import Ingest, Targets
from moose_lib.server.logs import Logs
from moose_lib.server.refusals import Refusal
from moose_lib.server.schedules import Schedules
from moose_lib.server.workflows import Workflows


def build_app(project: LoadedProject, store: Store) -> Starlette:
    """The app for a loaded project."""
    settings = project.project.settings
    server = settings.server
    bodies = BodyReader(
        limit=server.max_request_body_size,
        seconds=server.body_timeout.total_seconds(),
        budget=Budget(server.max_bodies_in_flight),
    )
    doorkeeper = Doorkeeper(settings)
    targets = Targets(project.endpoints)
    ingest = Ingest(targets, store, bodies, is_partial=settings.ingest.partial)

    async def take_records(request: Request) -> Response:
        path = f"ingest/{request.path_params['path']}"
        if not targets.is_open(path):
            doorkeeper.let_ingest(request)
        return await ingest(request, path)

    prefix = "" if server.path_prefix is None else f"/{server.path_prefix.strip('/')}"
    engine = Engine(settings)
    admin = (Workflows(project, engine, bodies), Schedules(engine), Logs(settings.state_directory))
    return Starlette(
        routes=[
            Route(f"{prefix}/ingest/{{path:path}}", take_records, methods=["POST"]),
            *(_guarded(route, doorkeeper) for part in admin for route in part.routes(prefix)),
        ],
        exception_handlers={MooseError: _refused},
    )


def _guarded(route: Route, doorkeeper: Doorkeeper) -> Route:
    """The same route for those who may administrate."""
    endpoint: Callable[[Request], Awaitable[Response]] = route.endpoint

    async def guarded(request: Request) -> Response:
        doorkeeper.let_administrate(request)
        return await endpoint(request)

    return Route(route.path, guarded, methods=sorted(route.methods or ()))


async def _refused(request: Request, error: Exception) -> Response:
    """An error of ours as ingest's plain sentence, or as JSON for everybody else."""
    assert isinstance(error, MooseError), "registered for this class"
    if (
        isinstance(error, Refusal)
        and "/ingest/" in request.url.path
        and "json" not in request.headers.get("accept", "")
    ):
        return PlainTextResponse(error.message, error.status, error.headers)
    return answer_to(error)
