"""`/admin/workflows`: starting runs and looking at them over HTTP, with the documents of `moose-cli … --json`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moose_lib.durations import parse_duration
from moose_lib.errors import InvalidDuration, MooseError, RunAlreadyStarted
from moose_lib.operations.connecting import Client
from moose_lib.operations.control import select_open_runs, terminate_run
from moose_lib.operations.declared import Known, ask_about, workflow_document
from moose_lib.operations.documents import run_document, standing_document
from moose_lib.operations.following import follow_run, run_status, standings
from moose_lib.operations.links import run_url
from moose_lib.operations.listing import find_run, list_runs
from moose_lib.operations.past import with_successor
from moose_lib.operations.records import RunState, RunStatus, RunSummary, StartedRun
from moose_lib.operations.runs import start_run
from moose_lib.plan.model import Plan
from moose_lib.project.loader import LoadedProject
from moose_lib.server.answered import STARTED, WORKFLOWS, RunLinks, started_run
from moose_lib.server.bodies import BodyReader
from moose_lib.server.declared import Declared
from moose_lib.server.described import Answer, DescribedRoute, Parameter
from moose_lib.server.engine import Engine
from moose_lib.server.orders import TerminateOrder, body_schema, read_order
from moose_lib.server.queries import whole_number
from moose_lib.server.refusals import BadRequest, EmptyHeader, IdempotencyConflict
from moose_lib.server.steering import OVER_HTTP, Steering
from moose_lib.values import read_run_input

_MOST = 1000
_LONGEST_WAIT = timedelta(minutes=5)
_USUAL = 10
_WAIT = Parameter(
    "wait",
    "Answer when the run has ended, or after this time, 5m at most: 30s. A server that stops answers at once.",
    {"type": "string"},
)
_START_KEY = Parameter(
    "Idempotency-Key",
    "The same key starts one run; asked again, that one is the answer.",
    {"type": "string", "minLength": 1},
    "header",
)
_WHICH_RUNS = (
    Parameter(
        "status", "Runs in these states; several may be given.", {"type": "array", "items": {"enum": list(RunState)}}
    ),
    Parameter("name", "Runs of this workflow.", {"type": "string"}),
    Parameter("limit", f"At most so many; unset: {_USUAL}.", {"type": "integer", "minimum": 1, "maximum": _MOST}),
)
_STARTED: Final = {
    "202": Answer(
        description="Begun; `links` has the paths of its status, its result and its logs.",
        schema=STARTED,
        headers={"Location": "The path of the run."},
    ),
    "422": Answer(description="The Idempotency-Key was used for another input."),
}
_LISTED: Final = {
    "200": Answer(
        description="All of them, with their last runs and next times; null where Temporal does not answer.",
        schema=WORKFLOWS,
    )
}


class Workflows:
    """The routes on workflows and their runs."""

    def __init__(self, project: LoadedProject, engine: Engine, bodies: BodyReader, stop: asyncio.Event) -> None:
        self._declared = Declared(project)
        self._engine = engine
        self._bodies = bodies
        self._stop = stop

    def routes(self, prefix: str) -> list[DescribedRoute]:
        """All of them; `prefix` is that of the server."""
        base, self._links = f"{prefix}/admin/workflows", RunLinks(prefix)
        steering = Steering(self._declared, self._engine, self._bodies, self._links)
        return [
            DescribedRoute(base, self.list, methods=["GET"], answers=_LISTED),
            DescribedRoute(f"{base}/history", self.history, methods=["GET"], parameters=_WHICH_RUNS),
            DescribedRoute(f"{base}/runs/{{run}}", self.status, methods=["GET"], parameters=[_WAIT]),
            *steering.routes(f"{base}/runs"),
            DescribedRoute(
                f"{base}/{{name}}/trigger",
                self.trigger,
                methods=["POST"],
                parameters=[_WAIT, _START_KEY],
                body={"description": _inputs_text(self._declared)},
                answers=_STARTED,
            ),
            DescribedRoute(f"{base}/{{name}}/terminate", self.end, methods=["POST"], body=body_schema(TerminateOrder)),
        ]

    async def list(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """The declared workflows, as `moose-cli workflow list --json` tells them."""
        found, now, queue = self._declared.all, datetime.now(UTC), self._engine.task_queue
        try:
            async with self._engine.client() as client:
                plans = [plan for _, plan in found]
                known = await ask_about(client, plans, task_queue=queue, project=self._declared.project)
        except MooseError as error:  # what is declared is told all the same
            known = Known.nothing(error.message)
        return JSONResponse([workflow_document(workflow, plan, known, now) for workflow, plan in found])

    async def history(self, request: Request) -> Response:
        """Runs, the newest first; `?status=failed&name=Orders&limit=50`."""
        states = [_state(text) for text in request.query_params.getlist("status")]
        limit = whole_number(request.query_params, "limit", _USUAL, most=_MOST)
        name = request.query_params.get("name")
        async with self._engine.client() as client:
            runs = await list_runs(client, task_queue=self._engine.task_queue, name=name, states=states, limit=limit)
            found = await standings(client, runs)
        now = datetime.now(UTC)
        return JSONResponse([standing_document(run, status, now) for run, status in found])

    async def status(self, request: Request) -> Response:
        """A run with its tasks; `?wait=30s` answers when it has ended, the time is over, or the server stops."""
        patience = _patience(request)
        async with self._engine.client() as client:
            run = await find_run(client, request.path_params["run"])
            status = await self._status(client, run, patience)
            return JSONResponse(self._run_document(client, status))

    async def trigger(self, request: Request) -> Response:
        """Start a run; the body is its input. 202, or with `?wait=30s` 200 and the run as it is then."""
        self._declared.require_current()
        plan, data = self._checked(request.path_params["name"], await self._bodies.whole(request))
        key, patience = request.headers.get("idempotency-key"), _patience(request)
        if key == "":
            raise EmptyHeader("Idempotency-Key")
        async with self._engine.client() as client:
            run = await self._start(client, plan, data, key)
            if patience is None:
                location = {"Location": self._links.status(run.workflow_id)}
                return JSONResponse({**started_run(run, self._links), **self._declared.note()}, 202, location)
            document = self._run_document(client, await self._status(client, run, patience))
            return JSONResponse({**document, **self._declared.note()})

    async def _start(self, client: Client, plan: Plan, data: bytes | None, key: str | None) -> StartedRun:
        queue, ui = self._engine.task_queue, self._engine.ui(client)
        if key is None:
            return await start_run(client, plan, data, task_queue=queue, ui=ui)
        identity = f"{plan.workflow}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        try:
            return await start_run(client, plan, data, task_queue=queue, workflow_id=identity, ui=ui, is_once=True)
        except RunAlreadyStarted as error:
            text = f"idempotency key {key!r} was used for another input of {plan.workflow!r}: run {identity!r}"
            raise IdempotencyConflict(text, hint=error.hint) from error

    async def end(self, request: Request) -> Response:
        """Terminate the open run of a workflow, as the existing Moose does."""
        order = read_order(TerminateOrder, await self._bodies.whole(request), "terminate")
        async with self._engine.client() as client:
            (run,) = await select_open_runs(client, request.path_params["name"])
            await terminate_run(client, run, order.reason or OVER_HTTP)
        return JSONResponse({"status": "terminated", "message": f"run {run.workflow_id!r} was terminated"})

    def _checked(self, name: str, body: bytes) -> tuple[Plan, bytes | None]:
        plan, data = self._declared.plan(name), body if body.strip() else None
        read_run_input(self._declared.workflow(name).config.starting_task.input_type, data)
        return plan, data

    async def _status(self, client: Client, run: RunSummary | StartedRun, patience: timedelta | None) -> RunStatus:
        status = None if patience is None else await self._last_status(client, run, patience)
        if status is None:  # as it is by now
            return await with_successor(client, await run_status(client, run.workflow_id, run.run_id))
        return status

    async def _last_status(self, client: Client, run: RunSummary | StartedRun, patience: timedelta) -> RunStatus | None:
        """`None`: it has not ended, and the time is over or the server stops."""
        following = asyncio.create_task(follow_run(client, run.workflow_id, run.run_id))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            seconds = patience.total_seconds()
            await asyncio.wait({following, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return following.result() if following.done() else None
        finally:
            following.cancel()
            stopping.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)

    def _run_document(self, client: Client, status: RunStatus) -> Mapping[str, Any]:  # Any: JSON
        url = run_url(self._engine.ui(client), client.namespace, status.workflow_id, status.run_id)
        return run_document(status, url)


def _state(text: str) -> RunState:
    try:
        return RunState(text)
    except ValueError:
        raise BadRequest(f"status: no state {text!r}; there are {', '.join(RunState)}") from None


def _patience(request: Request) -> timedelta | None:
    text = request.query_params.get("wait")
    if text is None:
        return None
    try:
        patience = parse_duration(text)
    except InvalidDuration as error:
        raise BadRequest(f"wait: {error.message}") from None
    if patience is None or patience > _LONGEST_WAIT:
        raise BadRequest(f"wait: {text!r} is too long; 5m at most")
    return patience


def _inputs_text(declared: Declared) -> str:
    """What a run of each workflow takes: `Nightly takes Batch, Tidy takes none`."""
    taken = [f"{plan.workflow} takes {plan.task(plan.start).input_type or 'none'}" for _, plan in declared.all]
    return "; ".join(["The workflow's input, as JSON", *([", ".join(taken)] if taken else [])]) + "."
