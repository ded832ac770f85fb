"""`/admin/schedules`: the schedules that are deployed, and the verbs on them."""

from __future__ import annotations

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
from moose_lib.server.described import DescribedRoute
from moose_lib.server.engine import Engine

_NOTE = "over HTTP"


class Schedules:
    """The routes on schedules; each is named by its workflow."""

    def __init__(self, project: LoadedProject, engine: Engine) -> None:
        self._project = project
        self._engine = engine

    def routes(self, prefix: str) -> list[DescribedRoute]:
        """All of them; `prefix` is that of the server."""
        base = f"{prefix}/admin/schedules"
        return [
            DescribedRoute(base, self.list, methods=["GET"]),
            DescribedRoute(f"{base}/{{name}}", self.describe, methods=["GET"]),
            DescribedRoute(f"{base}/{{name}}/pause", self.pause, methods=["POST"]),
            DescribedRoute(f"{base}/{{name}}/unpause", self.unpause, methods=["POST"]),
            DescribedRoute(f"{base}/{{name}}/trigger", self.trigger, methods=["POST"]),
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
        name = request.path_params["name"]
        async with self._engine.client() as client:
            await pause_schedule(client, name, f"paused {_NOTE}")
            return JSONResponse(schedule_document(await describe_schedule(client, name)))

    async def unpause(self, request: Request) -> Response:
        """Let it fire again; answers the schedule as it is then."""
        name = request.path_params["name"]
        async with self._engine.client() as client:
            await unpause_schedule(client, name, f"unpaused {_NOTE}")
            return JSONResponse(schedule_document(await describe_schedule(client, name)))

    async def trigger(self, request: Request) -> Response:
        """Fire now; 202 with the run, or 409 where an open run does not let it.

        `is_started` is false where another trigger of the same second has started it.
        """
        async with self._engine.client() as client:
            action = await trigger_schedule(client, request.path_params["name"])
        if action is None:
            error = {"code": "overlap", "message": "an earlier run is open, and the schedule skips then", "hint": None}
            return JSONResponse({"error": error}, 409)
        told = {"is_started": not action.is_shared, "workflow_id": action.workflow_id, "run_id": action.run_id}
        return JSONResponse(told, 202)
