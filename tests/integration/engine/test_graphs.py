"""Plans run on Temporal as they are declared."""

from __future__ import annotations

from pydantic import BaseModel
from tests.integration.engine.support import Engine

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig


class Number(BaseModel):
    value: int


class Doubled(BaseModel):
    value: int


class Sum(BaseModel):
    total: int


async def test_a_chain_hands_each_output_to_the_next_task(engine: Engine) -> None:
    """Async and sync handlers in one chain; the result is the last task's output."""

    async def first(number: Number) -> Doubled:
        return Doubled(value=number.value * 2)

    def second(doubled: Doubled) -> Sum:
        return Sum(total=doubled.value + 1)

    last = Task[Doubled, Sum](name="second", config=TaskConfig(run=second))
    start = Task[Number, Doubled](name="first", config=TaskConfig(run=first, on_complete=[last]))
    workflow = Workflow(name="Chain", config=WorkflowConfig(starting_task=start))

    assert await engine.run(workflow, {"value": 20}) == {"total": 41}
