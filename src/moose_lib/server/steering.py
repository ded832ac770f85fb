"""`/admin/workflows/runs/<run>/<verb>`: what can be done about a run."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moose_lib.operations.connecting import Client
from moose_lib.operations.control import cancel_run, select_open_runs, terminate_run
from moose_lib.operations.decisions import give_up_run, pause_run, retry_task, skip_task, unpause_run
from moose_lib.operations.documents import resumption_document
from moose_lib.operations.listing import find_run
from moose_lib.operations.parked import find_parked
from moose_lib.operations.past import read_past
from moose_lib.operations.records import RunSummary
from moose_lib.operations.resume import prepare_resume, resume_run
from moose_lib.project.code import code_digest
from moose_lib.server.answered import RunLinks, started_run
from moose_lib.server.bodies import BodyReader
from moose_lib.server.declared import Declared
from moose_lib.server.described import DescribedRoute
from moose_lib.server.engine import Engine
from moose_lib.server.orders import (
    FailOrder,
    Order,
    PauseOrder,
    ResumeOrder,
    RetryOrder,
    SkipOrder,
    TerminateOrder,
    body_schema,
    read_order,
)
from moose_lib.server.refusals import BadRequest
from moose_lib.values import settle_output

_Facts = Mapping[str, Any]  # Any: JSON
_Some = TypeVar("_Some", bound=Order)
#: The reason of a termination that has no other.
OVER_HTTP: Final = "terminated over HTTP"


class Steering:
    """The verbs on runs; each answers as soon as the run has been told."""

    def __init__(self, declared: Declared, engine: Engine, bodies: BodyReader, links: RunLinks) -> None:
        self._declared = declared
        self._engine = engine
        self._bodies = bodies
        self._links = links

    def routes(self, base: str) -> Sequence[DescribedRoute]:
        """All of them; `base` is the path of the runs."""
        verbs: Mapping[str, tuple[Callable[[Request], Awaitable[Response]], type[Order]]] = {
            "cancel": (self.cancel, Order),
            "terminate": (self.terminate, TerminateOrder),
            "pause": (self.pause, PauseOrder),
            "unpause": (self.unpause, Order),
            "retry": (self.retry, RetryOrder),
            "skip": (self.skip, SkipOrder),
            "fail": (self.fail, FailOrder),
            "resume": (self.resume, ResumeOrder),
        }
        self._names = list(verbs)
        return [
            *(
                DescribedRoute(f"{base}/{{run}}/{name}", verb, methods=["POST"], body=body_schema(order))
                for name, (verb, order) in verbs.items()
            ),
            DescribedRoute(f"{base}/{{run}}/{{verb}}", self.unknown, methods=["POST"], is_told=False),
        ]

    async def cancel(self, request: Request) -> Response:
        """Cancel a run: its running tasks are canceled, and their `on_cancel` runs."""

        async def act(client: Client, run: RunSummary, order: Order) -> _Facts:  # noqa: ARG001  # it has no fields
            await cancel_run(client, run)
            return {}

        return await self._steer(request, Order, act)

    async def terminate(self, request: Request) -> Response:
        """Terminate a run at once; its tasks are not told."""

        async def act(client: Client, run: RunSummary, order: TerminateOrder) -> _Facts:
            await terminate_run(client, run, order.reason or OVER_HTTP)
            return {}

        return await self._steer(request, TerminateOrder, act)

    async def pause(self, request: Request) -> Response:
        """Pause a run: what runs goes on, nothing new starts. `was_paused` says whether it was before."""

        async def act(client: Client, run: RunSummary, order: PauseOrder) -> _Facts:
            return {"was_paused": (await pause_run(client, run, order.note)).is_paused}

        return await self._steer(request, PauseOrder, act)

    async def unpause(self, request: Request) -> Response:
        """Let a paused run go on. `was_paused` says whether it was."""

        async def act(client: Client, run: RunSummary, order: Order) -> _Facts:  # noqa: ARG001  # it has no fields
            return {"was_paused": (await unpause_run(client, run)).is_paused}

        return await self._steer(request, Order, act)

    async def retry(self, request: Request) -> Response:
        """Run a parked task again, or all parked tasks of a run."""
        self._declared.require_current()

        async def act(client: Client, run: RunSummary, order: RetryOrder) -> _Facts:
            names = await find_parked(client, run, order.task)
            for name in names:
                await retry_task(client, run, name)
            return {"tasks": list(names), **self._declared.note()}

        return await self._steer(request, RetryOrder, act)

    async def skip(self, request: Request) -> Response:
        """Go on without a parked task, with an output given by hand."""
        self._declared.require_current()

        async def act(client: Client, run: RunSummary, order: SkipOrder) -> _Facts:
            await find_parked(client, run, order.task)
            task = self._declared.workflow(run.name).get_task(order.task)
            if task is None:
                raise BadRequest(f"the code of now has no task {order.task!r}")
            given = json.dumps(order.output).encode()
            await skip_task(client, run, order.task, settle_output(order.task, task.output_type, given))
            return {"tasks": [order.task], **self._declared.note()}

        return await self._steer(request, SkipOrder, act)

    async def fail(self, request: Request) -> Response:
        """Give up the parked tasks of a run, and so the run."""

        async def act(client: Client, run: RunSummary, order: FailOrder) -> _Facts:
            names = await find_parked(client, run, None)
            await give_up_run(client, run, order.reason)
            return {"tasks": list(names)}

        return await self._steer(request, FailOrder, act)

    async def resume(self, request: Request) -> Response:
        """Go on where a run ended, with a new run; with `dry_run`, only say what it would do."""
        self._declared.require_current()
        order = read_order(ResumeOrder, await self._bodies.whole(request), "resume")
        async with self._engine.client() as client:
            run = await find_run(client, request.path_params["run"])
            plan = self._declared.plan(run.name)
            resumption = prepare_resume(
                await read_past(client, run),
                self._declared.workflow(run.name),
                plan,
                code=code_digest(self._declared.root),
                asked=order.tasks,
                expected=order.plan,
            )
            queue, ui = self._engine.task_queue, self._engine.ui(client)
            told = resumption_document(resumption, task_queue=queue)
            document = {"dry_run": order.dry_run, **told, **self._declared.note()}
            if order.dry_run:
                return JSONResponse(document | {"run": None})
            started = await resume_run(client, resumption, task_queue=queue, ui=ui)
        location = {"Location": self._links.status(started.workflow_id)}
        return JSONResponse(document | {"run": started_run(started, self._links)}, 202, location)

    async def unknown(self, request: Request) -> Response:
        """Say what there is instead."""
        verb: str = request.path_params["verb"]
        close = get_close_matches(verb, self._names, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise BadRequest(f"no verb {verb!r}{meant}; there are {', '.join(self._names)}")

    async def _steer(
        self, request: Request, kind: type[_Some], act: Callable[[Client, RunSummary, _Some], Awaitable[_Facts]]
    ) -> Response:
        order = read_order(kind, await self._bodies.whole(request), request.url.path.rpartition("/")[2])
        async with self._engine.client() as client:
            (run,) = await select_open_runs(client, request.path_params["run"])
            facts = await act(client, run, order)
        return JSONResponse({"name": run.name, "workflow_id": run.workflow_id, "run_id": run.run_id, **facts}, 202)
