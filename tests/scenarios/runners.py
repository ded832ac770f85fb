"""The two ways to run a scenario, and how each one's outcome is told in the same words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RawValue
from tests.scenarios.deciding import decide, is_stuck
from tests.scenarios.inputs import DELIVERIES
from tests.scenarios.scenario import Observed, Scenario, journal

from moose_lib.engine.worker import run_worker
from moose_lib.operations.following import run_status
from moose_lib.operations.records import RunStatus, StartedRun
from moose_lib.operations.runs import start_run
from moose_lib.plan.build import compile_workflows
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings
from moose_lib.testing import TaskRun, run_local_async
from moose_lib.values import read_value, write_run_input

#: A run that takes longer does not end at all; a heavy one has a thousand tasks.
_LIMIT_SECONDS = 100
_HEAVY_LIMIT_SECONDS = 270


class Runner(Protocol):
    async def run(self, scenario: Scenario) -> Observed:
        """Run it to its end."""
        ...


class LocalRunner:
    """In this process, in virtual time."""

    async def run(self, scenario: Scenario) -> Observed:
        cancel_at = None if scenario.cancel_after is None else scenario.cancel_at
        run = await run_local_async(
            scenario.workflow, scenario.input, decisions=scenario.decisions, cancel_at=cancel_at
        )
        return Observed(
            status=run.state,
            tasks=_local_states(run.tasks),
            hooks=_local_states(run.hooks),
            result=run.result,
            failed_task=None if run.error is None else run.error.task,
            error=None if run.error is None else run.error.type,
            message=None if run.error is None else run.error.message,
            notes=journal.notes(run.workflow_id),
        )


def _local_states(tasks: Iterable[TaskRun]) -> dict[str, tuple[str, int]]:
    return {task.name: (task.state, task.attempts[-1].number if task.attempts else 0) for task in tasks}


class TemporalRunner:
    """On a real server, with a worker in this process.

    Most of a run's real time is back-off, so with the first one all runs that will be asked for are started. Tests
    that ask for none (in another process of pytest-xdist, say) start none.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._runs: dict[str, asyncio.Task[Observed]] = {}
        self._known = list[Scenario]()

    @asynccontextmanager
    async def working(self, scenarios: Iterable[Scenario]) -> AsyncGenerator[TemporalRunner]:
        """With a worker that knows the scenarios."""
        self._known = list(scenarios)
        stop, ready = asyncio.Event(), asyncio.Event()
        worker = asyncio.create_task(
            run_worker(
                client=self._client,
                project=_project(self._settings, self._known),
                settings=self._settings,
                stop=stop,
                on_ready=ready.set,
            )
        )
        try:
            yield self
        finally:
            await asyncio.wait(self._runs.values()) if self._runs else None
            stop.set()
            await worker

    async def start_bare(self, name: str, run_input: RawValue) -> RawValue:
        """Run it as any client of Temporal's can: by name, with an input and without a plan."""
        answer: RawValue = await self._client.execute_workflow(
            name,
            run_input,
            id=f"{name}-{uuid.uuid4().hex[:16]}",
            task_queue=self._settings.temporal.task_queue,
            result_type=RawValue,
            execution_timeout=timedelta(seconds=_LIMIT_SECONDS),
        )
        return answer

    async def run(self, scenario: Scenario) -> Observed:
        if not self._runs:
            for known in self._known:
                if not known.is_heavy:
                    self._start(known)
        if scenario.name not in self._runs:
            self._start(scenario)
        return await self._runs[scenario.name]

    def _start(self, scenario: Scenario) -> None:
        self._runs[scenario.name] = asyncio.create_task(self._observe(scenario))

    async def _observe(self, scenario: Scenario) -> Observed:
        async with asyncio.timeout(_HEAVY_LIMIT_SECONDS if scenario.is_heavy else _LIMIT_SECONDS):
            status = await self._status(scenario)
        if status.state == "timed_out":
            await asyncio.sleep(2)  # a worker hears of it with its next heartbeat, and might do something then
        error = status.error
        return Observed(
            status="parked" if is_stuck(status) else status.state,
            tasks={task.name: (task.state, task.attempts) for task in status.tasks},
            hooks={hook.name: (hook.state, hook.attempts) for hook in status.hooks},
            result=_result(scenario, status),
            failed_task=None if error is None else error.task,
            error=None if error is None else error.error.type,
            message=None if error is None else error.error.message,
            notes=journal.notes(status.workflow_id),
        )

    async def _status(self, scenario: Scenario) -> RunStatus:
        workflow = scenario.workflow
        plan = compile_workflows([workflow])[workflow.name]
        data = write_run_input(workflow.config.starting_task.input_type, scenario.input)
        started = await start_run(self._client, plan, data, task_queue=self._settings.temporal.task_queue)
        handle = self._client.get_workflow_handle(started.workflow_id)
        if scenario.cancel_after is not None:
            await _until_noted(started, scenario.cancel_after)
            await self._until_one_is(started, scenario.cancel_when)
            await handle.cancel()
        elif any(task.on_failure == "park" for task in plan.tasks):
            await decide(self._client, workflow, started, scenario.decisions)
            status = await run_status(self._client, started.workflow_id, started.run_id)
            if is_stuck(status):
                await handle.terminate()
                return status
        with contextlib.suppress(WorkflowFailureError):  # the status tells
            await handle.result()
        return await run_status(self._client, started.workflow_id, started.run_id)

    async def _until_one_is(self, started: StartedRun, state: str) -> None:
        """Wait for the server: a handler notes before its attempt ends."""
        while True:
            status = await run_status(self._client, started.workflow_id, started.run_id)
            if any(task.state == state for task in (*status.tasks, *status.hooks)):
                return
            await asyncio.sleep(0.05)


async def _until_noted(started: StartedRun, what: str) -> None:
    assert await asyncio.to_thread(journal.wait, started.workflow_id, what, 30), f"{what} was not noted"


def _result(scenario: Scenario, status: RunStatus) -> object:
    if status.result is None or status.state != "completed":
        return None
    plan = compile_workflows([scenario.workflow])[scenario.name]
    if len(plan.last_tasks) == 1:
        return _read(scenario, plan.last_tasks[0], status.result)
    members = _members(status.result)
    return {name: _read(scenario, name, members[name]) for name in plan.last_tasks}


def _read(scenario: Scenario, name: str, data: bytes) -> object:
    task = scenario.workflow.get_task(name)
    assert task is not None
    return None if task.output_type is None else read_value(name, task.output_type, data)


def _members(data: bytes) -> dict[str, bytes]:
    return {name: json.dumps(value).encode() for name, value in json.loads(data).items()}


def _project(settings: Settings, scenarios: list[Scenario]) -> LoadedProject:
    workflows = {scenario.name: scenario.workflow for scenario in scenarios} | {DELIVERIES.name: DELIVERIES}
    project = Project(root=settings.root, entry=Path(__file__), settings=settings, is_single_file=True)
    return LoadedProject(project=project, workflows=workflows, plans=compile_workflows(workflows.values()))
