"""Running declared workflows on a real server, with a worker in this process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from moose_lib.dmv2.workflow import Workflow
from moose_lib.engine.failures import FailureDetail, read_failure
from moose_lib.engine.starting import start_arguments
from moose_lib.engine.worker import run_worker
from moose_lib.engine.workflow import Interpreter
from moose_lib.observing.observer import Observer
from moose_lib.plan.build import compile_workflows
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings

Handle: TypeAlias = WorkflowHandle[Any, RawValue]


@dataclass(frozen=True)
class Engine:
    """A client, and how to run workers and workflows with it on a queue of its own."""

    client: Client
    settings: Settings

    @asynccontextmanager
    async def worker(
        self, *workflows: Workflow, hurry: asyncio.Event | None = None, observer: Observer | None = None
    ) -> AsyncGenerator[asyncio.Event]:
        """A worker for these workflows; yields the event that tells it to stop."""
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(
            run_worker(
                client=self.client,
                project=loaded(self.settings, *workflows),
                settings=self.settings,
                stop=stop,
                on_ready=ready.set,
                hurry=hurry,
                observer=observer,
            )
        )
        await _first(ready.wait(), running)
        try:
            yield stop
        finally:
            stop.set()
            await running

    async def start(self, workflow: Workflow, run_input: object = None, **options: Any) -> Handle:
        """Start a run as our own clients do."""
        plan = compile_workflows([workflow])[workflow.name]
        arguments = start_arguments(plan, None if run_input is None else json.dumps(run_input).encode())
        return await self.client.start_workflow(
            arguments.workflow,
            args=list(arguments.args),
            id=f"{workflow.name}-{uuid.uuid4().hex[:16]}",
            task_queue=self.settings.temporal.task_queue,
            execution_timeout=arguments.execution_timeout,
            retry_policy=arguments.retry_policy,
            memo=arguments.memo,
            result_type=RawValue,
            **options,
        )

    async def start_foreign(self, name: str, *args: object) -> Handle:
        """Start a run as another SDK or Temporal's UI does: by name, with a bare input."""
        return await self.client.start_workflow(
            name,
            args=args,
            id=f"{name}-{uuid.uuid4().hex[:16]}",
            task_queue=self.settings.temporal.task_queue,
            result_type=RawValue,
        )

    async def run(self, workflow: Workflow, run_input: object = None, seconds: float = 60) -> Any:
        """Run to the end, and return the result as Python."""
        async with self.worker(workflow):
            handle = await self.start(workflow, run_input)
            value = await result(handle, seconds)
        await self.replay(handle)
        return value

    async def fail(self, workflow: Workflow, run_input: object = None) -> FailureDetail:
        """Run to its failure, and return that."""
        async with self.worker(workflow):
            handle = await self.start(workflow, run_input)
            error = await failure(handle)
        await self.replay(handle)
        return error

    async def replay(self, handle: Handle) -> None:
        """Check that the interpreter decides the same once more; a worker that takes over an open run relies on it."""
        replayer = Replayer(
            workflows=[Interpreter],
            workflow_runner=UnsandboxedWorkflowRunner(),
            data_converter=self.client.data_converter,
            namespace=self.client.namespace,
        )
        await replayer.replay_workflow(await handle.fetch_history())


@asynccontextmanager
async def worker_process(
    engine: Engine, file: Path, grace: str = "30s", *, is_measured: bool = True
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A worker for a project file in a process of its own; stopped with SIGTERM if it is still there in the end."""
    temporal = engine.settings.temporal
    script = Path(__file__).with_name("worker_process.py")
    environment = {name: value for name, value in os.environ.items() if is_measured or "COVERAGE" not in name}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        str(file),
        str(temporal.port),
        temporal.task_queue,
        grace,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)


def loaded(settings: Settings, *workflows: Workflow) -> LoadedProject:
    project = Project(root=settings.root, entry=Path(__file__), settings=settings, is_single_file=True)
    by_name = {workflow.name: workflow for workflow in workflows}
    return LoadedProject(project=project, workflows=by_name, plans=compile_workflows(workflows))


async def result(handle: Handle, seconds: float = 60) -> Any:
    value = await asyncio.wait_for(handle.result(), seconds)
    return json.loads(value.payload.data)


async def failure(handle: Handle, seconds: float = 60) -> FailureDetail:
    try:
        value = await asyncio.wait_for(handle.result(), seconds)
    except WorkflowFailureError as error:
        return read_failure(error.cause)
    raise AssertionError(f"the run completed: {value}")


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for a condition of this process, or of the server."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def _first(*awaitables: Awaitable[object]) -> None:
    done, _ = await asyncio.wait([asyncio.ensure_future(a) for a in awaitables], return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
