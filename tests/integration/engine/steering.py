"""Workflows that fail until they are told not to, and people who steer their runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel
from tests.integration.engine.support import Engine, Handle, until

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.operations.following import run_status
from moose_lib.operations.listing import find_run
from moose_lib.operations.records import RunStatus, RunSummary, TaskPhase

OnFailure = Literal["fail", "park"]


class Number(BaseModel):
    value: int = 0


class Half(BaseModel):
    value: int


class Halves(BaseModel):
    halves: list[Half]


class Desk:
    """What the tasks of a test have done, which of them are broken, and which do not end."""

    def __init__(self) -> None:
        self.calls = Counter[str]()
        self.broken = set[str]()
        self.endless = set[str]()

    def call(self, ctx: TaskContext[Number]) -> Number:
        """Add one, unless the task is broken."""
        return Number(value=self._called(ctx.run.task, ctx.input.value) + 1)

    def half(self, ctx: TaskContext[Number]) -> Half:
        return Half(value=self._called(ctx.run.task, ctx.input.value) + 1)

    def join(self, ctx: TaskContext[Halves]) -> Number:
        return Number(value=self._called(ctx.run.task, sum(half.value for half in ctx.input.halves)))

    def _called(self, task: str, value: int) -> int:
        self.calls[task] += 1
        while task in self.endless:
            time.sleep(0.01)
        if task in self.broken:
            raise ValueError(f"{task} is broken")
        return value

    def chain(
        self, name: str, *tasks: str, retries: int = 0, on_failure: OnFailure = "fail", run_retries: int = 0
    ) -> Workflow:
        """One task after the other, each adding one."""
        made = list[Task[Number, Number]]()
        for task in reversed(tasks):
            config = TaskConfig(run=self.call, retries=retries, on_complete=made[-1:], on_failure=on_failure)
            made.append(Task[Number, Number](name=task, config=config))
        return Workflow(name=name, config=WorkflowConfig(starting_task=made[-1], retries=run_retries))

    def fan(self, name: str, *sides: str, on_failure: OnFailure = "park", run_retries: int = 0) -> Workflow:
        """`start`, the sides in parallel, and `join`, which adds up what they return."""
        join = Task[Halves, Number](name="join", config=TaskConfig(run=self.join, retries=0))
        made = [
            Task[Number, Half](
                name=side, config=TaskConfig(run=self.half, retries=0, on_failure=on_failure, on_complete=[join])
            )
            for side in sides
        ]
        start = Task[Number, Number](name="start", config=TaskConfig(run=self.call, retries=0, on_complete=[*made]))
        return Workflow(name=name, config=WorkflowConfig(starting_task=start, retries=run_retries))


async def status_of(engine: Engine, handle: Handle) -> RunStatus:
    """How the run stands."""
    assert handle.first_execution_run_id is not None
    return await run_status(engine.client, handle.id, handle.first_execution_run_id)


async def until_status(engine: Engine, handle: Handle, condition: Callable[[RunStatus], bool]) -> RunStatus:
    """Wait until the run stands so."""
    last = list[RunStatus]()

    async def is_so() -> bool:
        last.append(await status_of(engine, handle))
        return condition(last[-1])

    await until(is_so, 60)
    return last[-1]


async def until_parked(engine: Engine, handle: Handle, *names: str) -> RunStatus:
    """Wait until exactly these tasks are parked and nothing else can happen."""

    def is_so(status: RunStatus) -> bool:
        parked = {task.name for task in status.parked}
        return parked == set(names) and not any(task.state in _GOING_ON for task in status.tasks)

    return await until_status(engine, handle, is_so)


_GOING_ON = {TaskPhase.QUEUED, TaskPhase.RUNNING, TaskPhase.RETRYING, TaskPhase.UNKNOWN}


async def the_run(engine: Engine, handle: Handle) -> RunSummary:
    """The run, as an operation takes it."""
    return await find_run(engine.client, handle.id)


def phases(status: RunStatus) -> dict[str, str]:
    """The state of each task."""
    return {task.name: task.state.value for task in status.tasks}
