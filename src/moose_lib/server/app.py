"""The ASGI app: from a path to what answers it, and from what went wrong to an answer."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from moose_lib.errors import MooseError
from moose_lib.ingest.store import Store
from moose_lib.project.loader import LoadedProject
from moose_lib.server.answers import answer_to
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
    ingest = Ingest(Targets(project.endpoints), store, bodies, is_partial=settings.ingest.partial)

    async def take_records(request: Request) -> Response:
        return await ingest(request, f"ingest/{request.path_params['path']}")

    prefix = "" if server.path_prefix is None else f"/{server.path_prefix.strip('/')}"
    engine = Engine(settings)
    admin = (Workflows(project, engine, bodies), Schedules(engine), Logs(settings.state_directory))
    return Starlette(
        routes=[
            Route(f"{prefix}/ingest/{{path:path}}", take_records, methods=["POST"]),
            *(route for part in admin for route in part.routes(prefix)),
        ],
        exception_handlers={MooseError: _refused},
    )


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
