"""`/admin/workflows`: starting, looking at and steering runs over HTTP, with the documents of `moose-cli … --json`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moose_lib.durations import parse_duration
from moose_lib.errors import InvalidDuration, WorkflowNotFound
from moose_lib.operations.connecting import Client
from moose_lib.operations.control import cancel_run, select_open_runs, terminate_run
from moose_lib.operations.decisions import give_up_run, pause_run, retry_task, skip_task, unpause_run
from moose_lib.operations.documents import run_document, started_document, summary_document
from moose_lib.operations.following import follow_run, run_status
from moose_lib.operations.links import run_url
from moose_lib.operations.listing import find_run, list_runs
from moose_lib.operations.parked import find_parked
from moose_lib.operations.past import read_past, with_successor
from moose_lib.operations.records import RunState, RunStatus, RunSummary, StartedRun
from moose_lib.operations.resume import prepare_resume, resume_run
from moose_lib.operations.runs import start_run
from moose_lib.plan.model import Plan
from moose_lib.project.code import code_digest
from moose_lib.project.loader import LoadedProject
from moose_lib.server.bodies import BodyReader
from moose_lib.server.described import DescribedRoute, Parameter
from moose_lib.server.engine import Engine
from moose_lib.server.incoming import Incoming
from moose_lib.server.queries import whole_number
from moose_lib.server.refusals import BadRequest
from moose_lib.values import read_run_input, settle_output

_MOST = 1000
_LONGEST_WAIT = timedelta(minutes=5)
_USUAL = 10
_WAIT = Parameter("wait", "Answer when the run has ended, or after this time, 5m at most: 30s.", {"type": "string"})
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


class _Order(BaseModel):
    """The body of a verb on a run: what it needs is its own matter, what nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = None
    output: Any = None  # Any: JSON, checked against the task's model
    reason: str | None = None
    tasks: list[str] = []
    plan: str | None = None
    dry_run: bool = False


_BODY = {name: value for name, value in _Order.model_json_schema().items() if name not in {"title", "description"}}
_Verb = Callable[[Client, RunSummary, _Order], Awaitable[Mapping[str, Any]]]  # Any: JSON


class Workflows:
    """The routes on workflows and their runs."""

    def __init__(self, project: LoadedProject, engine: Engine, bodies: BodyReader) -> None:
        self._project = project
        self._engine = engine
        self._bodies = bodies
        self._verbs: Mapping[str, _Verb] = {
            "cancel": self._cancel,
            "terminate": self._terminate,
            "pause": self._pause,
            "unpause": self._unpause,
            "retry": self._retry,
            "skip": self._skip,
            "fail": self._fail,
        }

    def routes(self, prefix: str) -> list[DescribedRoute]:
        """All of them; `prefix` is that of the server."""
        base = f"{prefix}/admin/workflows"
        verbs = {"verb": self._verbs}
        return [
            DescribedRoute(base, self.list, methods=["GET"]),
            DescribedRoute(f"{base}/history", self.history, methods=["GET"], parameters=_WHICH_RUNS),
            DescribedRoute(f"{base}/runs/{{run}}", self.status, methods=["GET"], parameters=[_WAIT]),
            DescribedRoute(f"{base}/runs/{{run}}/resume", self.resume, methods=["POST"], body=_BODY),
            DescribedRoute(
                f"{base}/runs/{{run}}/{{verb}}",
                self.steer,
                methods=["POST"],
                choices=verbs,
                body=_BODY,
            ),
            DescribedRoute(
                f"{base}/{{name}}/trigger", self.trigger, methods=["POST"], parameters=[_WAIT, _START_KEY], body={}
            ),
            DescribedRoute(f"{base}/{{name}}/terminate", self.end, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """The declared workflows."""
        return JSONResponse([_workflow_document(plan) for plan in self._project.plans.values()])

    async def history(self, request: Request) -> Response:
        """Runs, the newest first; `?status=failed&name=Orders&limit=50`."""
        states = [_state(text) for text in request.query_params.getlist("status")]
        limit = min(whole_number(request.query_params, "limit", _USUAL), _MOST)
        name = request.query_params.get("name")
        async with self._engine.client() as client:
            runs = await list_runs(client, task_queue=self._engine.task_queue, name=name, states=states, limit=limit)
        now = datetime.now(UTC)
        return JSONResponse([summary_document(run, now) for run in runs])

    async def status(self, request: Request) -> Response:
        """A run with its tasks; `?wait=30s` answers when it has ended, or when the time is over."""
        patience = _patience(request)
        async with self._engine.client() as client:
            run = await find_run(client, request.path_params["run"])
            status = await _status(client, run, patience)
            return JSONResponse(self._run_document(client, status))

    async def trigger(self, request: Request) -> Response:
        """Start a run; the body is its input. 202, or with `?wait=30s` 200 and the run as it is then."""
        plan, data = self._checked(request.path_params["name"], await self._body(request))
        key, patience = request.headers.get("idempotency-key"), _patience(request)
        identity = None if key is None else f"{plan.workflow}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        async with self._engine.client() as client:
            queue, ui = self._engine.task_queue, self._engine.ui(client)
            is_once = key is not None
            run = await start_run(client, plan, data, task_queue=queue, workflow_id=identity, ui=ui, is_once=is_once)
            if patience is None:
                return JSONResponse(_started(run), 202)
            return JSONResponse(self._run_document(client, await _status(client, run, patience)))

    async def end(self, request: Request) -> Response:
        """Terminate the open run of a workflow, as the existing Moose does."""
        async with self._engine.client() as client:
            (run,) = await select_open_runs(client, request.path_params["name"])
            await terminate_run(client, run, "terminated over HTTP")
        return JSONResponse({"status": "terminated", "message": f"run {run.workflow_id!r} was terminated"})

    async def steer(self, request: Request) -> Response:
        """Cancel, terminate, pause, unpause a run, or decide about its parked tasks."""
        verb = self._verbs.get(request.path_params["verb"])
        if verb is None:
            raise BadRequest(
                f"no verb {request.path_params['verb']!r}; there are {', '.join([*self._verbs, 'resume'])}"
            )
        order = _order(await self._body(request))
        async with self._engine.client() as client:
            (run,) = await select_open_runs(client, request.path_params["run"])
            facts = await verb(client, run, order)
        return JSONResponse({"name": run.name, "workflow_id": run.workflow_id, "run_id": run.run_id, **facts}, 202)

    async def resume(self, request: Request) -> Response:
        """Go on where a run ended; `{"tasks": [...], "plan": "…", "dry_run": true}`."""
        order = _order(await self._body(request))
        async with self._engine.client() as client:
            run = await find_run(client, request.path_params["run"])
            plan = self._plan(run.name)
            resumption = prepare_resume(
                await read_past(client, run),
                self._project.workflows[run.name],
                plan,
                code=code_digest(self._project.project.root),
                asked=order.tasks,
                expected=order.plan,
            )
            tasks = [{"name": it.task, "verdict": it.verdict.value, "reason": it.reason} for it in resumption.decided]
            document: dict[str, Any] = {"dry_run": order.dry_run, "plan": resumption.hash, "tasks": tasks}  # Any: JSON
            if order.dry_run:
                return JSONResponse(document | {"run": None})
            queue, ui = self._engine.task_queue, self._engine.ui(client)
            started = await resume_run(client, resumption, task_queue=queue, ui=ui)
            return JSONResponse(document | {"run": _started(started)}, 202)

    async def _body(self, request: Request) -> bytes:
        with self._bodies.share() as share:
            return await self._bodies.read(Incoming(request.scope, request.receive), share)

    async def _cancel(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # noqa: ARG002  # Any: JSON
        await cancel_run(client, run)
        return {}

    async def _terminate(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # Any: JSON
        await terminate_run(client, run, order.reason or "terminated over HTTP")
        return {}

    async def _pause(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # noqa: ARG002  # Any: JSON
        await pause_run(client, run)
        return {}

    async def _unpause(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # noqa: ARG002  # Any: JSON
        await unpause_run(client, run)
        return {}

    async def _retry(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # Any: JSON
        names = await find_parked(client, run, order.task)
        for name in names:
            await retry_task(client, run, name)
        return {"tasks": list(names)}

    async def _skip(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # Any: JSON
        if order.task is None:
            raise BadRequest('skip needs a task: {"task": "charge", "output": {…}}')
        await find_parked(client, run, order.task)
        self._plan(run.name)
        task = self._project.workflows[run.name].get_task(order.task)
        if task is None:
            raise BadRequest(f"the code of now has no task {order.task!r}")
        given = json.dumps(order.output).encode()
        await skip_task(client, run, order.task, settle_output(order.task, task.output_type, given))
        return {"tasks": [order.task]}

    async def _fail(self, client: Client, run: RunSummary, order: _Order) -> Mapping[str, Any]:  # Any: JSON
        names = await find_parked(client, run, None)
        await give_up_run(client, run, order.reason)
        return {"tasks": list(names)}

    def _plan(self, name: str) -> Plan:
        plan = self._project.plans.get(name)
        if plan is None:
            there_are = ", ".join(sorted(self._project.plans)) or "none"
            raise WorkflowNotFound(f"no workflow named {name!r}; there are: {there_are}")
        return plan

    def _checked(self, name: str, body: bytes) -> tuple[Plan, bytes | None]:
        plan, data = self._plan(name), body if body.strip() else None
        read_run_input(self._project.workflows[name].config.starting_task.input_type, data)
        return plan, data

    def _run_document(self, client: Client, status: RunStatus) -> Mapping[str, Any]:  # Any: JSON
        url = run_url(self._engine.ui(client), client.namespace, status.workflow_id, status.run_id)
        return run_document(status, url)


async def _status(client: Client, run: RunSummary | StartedRun, patience: timedelta | None) -> RunStatus:
    if patience is not None:
        try:
            async with asyncio.timeout(patience.total_seconds()):
                return await follow_run(client, run.workflow_id, run.run_id, _ignore)
        except TimeoutError:
            pass  # as it is by now
    return await with_successor(client, await run_status(client, run.workflow_id, run.run_id))


def _ignore(status: RunStatus) -> None:
    """Only the end is of interest."""


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
    return _LONGEST_WAIT if patience is None else min(patience, _LONGEST_WAIT)


def _order(body: bytes) -> _Order:
    try:
        return _Order.model_validate_json(body or b"{}")
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        path = ".".join(map(str, detail["loc"]))
        raise BadRequest(f"body: {path + ': ' if path else ''}{detail['msg']}") from None


def _started(run: StartedRun) -> Mapping[str, Any]:  # Any: JSON
    """The keys of the existing Moose and ours."""
    theirs = {"workflowId": run.workflow_id, "runId": run.run_id, "dashboardUrl": run.ui_url}
    return {**theirs, **started_document(run, has_worker=None)}


def _workflow_document(plan: Plan) -> Mapping[str, Any]:  # Any: JSON
    tasks: Sequence[str] = [task.name for task in plan.tasks]
    return {
        "name": plan.workflow,
        "tasks": tasks,
        "retries": plan.retries,
        "timeout": None if plan.timeout is None else plan.timeout.total_seconds(),
        "schedule": None if plan.schedule is None else str(plan.schedule),
        "plan": plan.hash,
    }
