"""Resuming a run of a thousand tasks of which one failed."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel
from tests.integration.engine.support import Engine, failure
from tests.integration.operations.resuming import Clerk, named

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.operations.records import RunState

_WIDTH = 998


class Number(BaseModel):
    value: int


class Doubled(BaseModel):
    value: int


class Sum(BaseModel):
    numbers: list[Doubled]


async def test_of_a_thousand_tasks_exactly_the_failed_one_and_the_join_behind_it_run(engine: Engine) -> None:
    """998 siblings between a first task and a join: one fails, and only it and the join that waited for it run."""
    calls = Counter[str]()
    broken = {"number 500"}

    def begin(number: Number) -> Number:
        calls["begin"] += 1
        return number

    def double(ctx: TaskContext[Number]) -> Doubled:
        calls[ctx.run.task] += 1
        if ctx.run.task in broken:
            raise ValueError("broken")
        return Doubled(value=2 * ctx.input.value)

    def add(numbers: Sum) -> Number:
        calls["add"] += 1
        return Number(value=sum(it.value for it in numbers.numbers))

    last = Task[Sum, Number]("add", TaskConfig(run=add))
    middle = [
        Task[Number, Doubled](f"number {n}", TaskConfig(run=double, retries=0, on_complete=[last]))
        for n in range(_WIDTH)
    ]
    first = Task[Number, Number]("begin", TaskConfig(run=begin, on_complete=[*middle]))
    workflow = Workflow(named("Thousand"), WorkflowConfig(starting_task=first))
    clerk = Clerk(engine)
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await failure(handle)
        broken.clear()
        calls.clear()
        resumption = await clerk.prepare(handle, workflow)
        status = await clerk.end(await clerk.start(resumption))

    assert len(resumption.kept) == _WIDTH
    assert calls == {"number 500": 1, "add": 1}
    assert (status.state, status.result) == (RunState.COMPLETED, b'{"value":1996}')
