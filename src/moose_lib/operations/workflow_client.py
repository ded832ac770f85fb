"""`WorkflowClient`: starting and ending runs from any Python code, with the answers of the existing Moose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json
from temporalio.client import Client

from moose_lib.dmv2._registry import registered_workflows
from moose_lib.errors import InvalidJson, MooseError, ProjectNotFound
from moose_lib.operations.connecting import connected, ui_of
from moose_lib.operations.control import select_open_runs, terminate_run
from moose_lib.operations.runs import start_remote_run, start_run
from moose_lib.plan.build import compile_workflow
from moose_lib.project.loader import find_project
from moose_lib.project.settings import Settings, load_settings
from moose_lib.values import read_run_input, write_run_input

__all__ = ["WorkflowClient"]

_T = TypeVar("_T")
_OK, _REFUSED = 200, 400
_REASON = "terminated by WorkflowClient"


class WorkflowClient:
    """Starts and ends runs; `WorkflowClient()` finds the project of the current folder, or of `root`.

    Every answer is `{"status": 200 or 400, "body": text}`; nothing is raised for a run that cannot be started. It may
    be used anywhere, also inside of a running event loop, which it blocks as long as Temporal takes to answer; the
    `_async` forms do not.

    Example:
        WorkflowClient().execute("OrderProcessing", Order(order_id="7"))
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self._root = Path.cwd() if root is None else Path(root)

    def execute(self, name: str, input_data: object = None) -> dict[str, Any]:  # Any: an int and a text
        """Start a run of a workflow, now. The input is a model, JSON as text, or anything that JSON has."""
        return _blocking(lambda: self.execute_async(name, input_data))

    def terminate(self, workflow_id: str) -> dict[str, Any]:  # Any: as above
        """End the open run with this workflow id, or of the workflow with this name, at once."""
        return _blocking(lambda: self.terminate_async(workflow_id))

    async def execute_async(self, name: str, input_data: object = None) -> dict[str, Any]:  # Any: as above
        """`execute`, awaited."""

        async def work(client: Client, settings: Settings) -> str:
            return await _start(client, settings, name, input_data)

        return await self._answer(work)

    async def terminate_async(self, workflow_id: str) -> dict[str, Any]:  # Any: as above
        """`terminate`, awaited."""

        async def work(client: Client, settings: Settings) -> str:  # noqa: ARG001  # as `execute_async`
            (run,) = await select_open_runs(client, workflow_id)
            await terminate_run(client, run, _REASON)
            return f"Workflow terminated: {run.workflow_id}"

        return await self._answer(work)

    async def _answer(
        self, work: Callable[[Client, Settings], Coroutine[Any, Any, str]]
    ) -> dict[str, Any]:  # Any: as above
        try:
            settings = self._settings()
            async with connected(settings) as client:
                return {"status": _OK, "body": await work(client, settings)}
        except MooseError as error:
            return {"status": _REFUSED, "body": str(error)}

    def _settings(self) -> Settings:
        try:
            return find_project(self._root).settings
        except ProjectNotFound:
            return load_settings(self._root)


async def _start(client: Client, settings: Settings, name: str, input_data: object) -> str:
    """Start with the workflow's plan if its code is in this process, else let a worker bring it."""
    workflow, data, ui = registered_workflows().get(name), _json(input_data), ui_of(client, settings)
    queue = settings.temporal.task_queue
    if workflow is None:
        run = await start_remote_run(client, name, data, task_queue=queue, ui=ui)
    else:
        model = workflow.config.starting_task.input_type
        if isinstance(input_data, BaseModel):
            data = write_run_input(model, input_data)
        read_run_input(model, data)
        run = await start_run(client, compile_workflow(workflow), data, task_queue=queue, ui=ui)
    seen = "" if run.ui_url is None else f". View it in the Temporal dashboard: {run.ui_url}"
    return f"Workflow started: {run.workflow_id}{seen}"


def _json(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str | bytes):
        return value.encode() if isinstance(value, str) else value
    try:
        return to_json(value)
    except PydanticSerializationError as error:
        raise InvalidJson(f"the input is not JSON: {error}") from error


def _blocking(call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine to its end, in a thread of its own where this one has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call())
    with ThreadPoolExecutor(1, thread_name_prefix="moose-client") as threads:
        return threads.submit(lambda: asyncio.run(call())).result()
