"""`/admin/schedules`: the schedules that are deployed, and the verbs on them."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moose_lib.operations.schedule_documents import schedule_document
from moose_lib.operations.schedule_records import Owner
from moose_lib.operations.schedule_rows import row_document, schedule_rows
from moose_lib.operations.schedules import (
    describe_schedule,
    pause_schedule,
    trigger_schedule,
    unpause_schedule,
)
from moose_lib.project.loader import LoadedProject
from moose_lib.server.bodies import BodyReader
from moose_lib.server.declared import Declared
from moose_lib.server.described import DescribedRoute
from moose_lib.server.engine import Engine
from moose_lib.server.orders import FireOrder, NoteOrder, body_schema, read_order

_HELD_BACK: Final = {
    "code": "overlap",
    "message": "an earlier run is open, and the schedule skips then",
    "hint": 'to run beside it, send {"overlap": "allow_all"}',
}


class Schedules:
    """The routes on schedules; each is named by its workflow."""

    def __init__(self, project: LoadedProject, engine: Engine, bodies: BodyReader) -> None:
        self._project = project
        self._declared = Declared(project)
        self._engine = engine
        self._bodies = bodies

    def routes(self, prefix: str) -> list[DescribedRoute]:
        """All of them; `prefix` is that of the server."""
        base = f"{prefix}/admin/schedules"
        note, fire = body_schema(NoteOrder), body_schema(FireOrder)
        return [
            DescribedRoute(base, self.list, methods=["GET"]),
            DescribedRoute(f"{base}/{{name}}", self.describe, methods=["GET"]),
            DescribedRoute(f"{base}/{{name}}/pause", self.pause, methods=["POST"], body=note),
            DescribedRoute(f"{base}/{{name}}/unpause", self.unpause, methods=["POST"], body=note),
            DescribedRoute(f"{base}/{{name}}/trigger", self.trigger, methods=["POST"], body=fire),
        ]

    async def list(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """Those that are declared or deployed, as `moose-cli schedule list --json` tells them."""
        owner = Owner(project=self._project.project.name, task_queue=self._engine.task_queue)
        async with self._engine.client() as client:
            rows = await schedule_rows(client, self._project.plans, owner)
        return JSONResponse([row_document(row) for row in rows])

    async def describe(self, request: Request) -> Response:
        """One of them, with its next times and its last runs."""
        async with self._engine.client() as client:
            return JSONResponse(schedule_document(await describe_schedule(client, request.path_params["name"])))

    async def pause(self, request: Request) -> Response:
        """Let nothing fire; answers the schedule as it is then."""
        name, order = request.path_params["name"], read_order(NoteOrder, await self._bodies.whole(request), "pause")
        async with self._engine.client() as client:
            # Temporal takes an empty note for none, and does nothing then.
            await pause_schedule(client, name, order.note or "paused over HTTP")
            return JSONResponse(schedule_document(await describe_schedule(client, name)))

    async def unpause(self, request: Request) -> Response:
        """Let it fire again; answers the schedule as it is then."""
        name, order = request.path_params["name"], read_order(NoteOrder, await self._bodies.whole(request), "unpause")
        async with self._engine.client() as client:
            await unpause_schedule(client, name, order.note or "unpaused over HTTP")
            return JSONResponse(schedule_document(await describe_schedule(client, name)))

    async def trigger(self, request: Request) -> Response:
        """Fire now; 202 with the run, or 409 where an open run does not let it.

        `is_started` is false where another trigger of the same second has started it.
        """
        self._declared.require_current()
        order = read_order(FireOrder, await self._bodies.whole(request), "trigger")
        async with self._engine.client() as client:
            action = await trigger_schedule(client, request.path_params["name"], order.overlap)
        if action is None:
            return JSONResponse({"error": _HELD_BACK}, 409)
        told = {"is_started": not action.is_shared, "workflow_id": action.workflow_id, "run_id": action.run_id}
        return JSONResponse({**told, **self._declared.note()}, 202)
