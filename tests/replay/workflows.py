"""What the recorded histories are of; each shows the interpreter doing something else."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from moose_lib import NonRetryableError, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Number(BaseModel):
    value: int = 1


class Doubled(BaseModel):
    value: int


class Numbers(BaseModel):
    numbers: list[Doubled]


def same(number: Number) -> Number:
    return number


def double(number: Number) -> Doubled:
    return Doubled(value=number.value * 2)


def add(number: Number) -> Number:
    return Number(value=number.value + 1)


def total(numbers: Numbers) -> Number:
    return Number(value=sum(number.value for number in numbers.numbers))


def broken(number: Number) -> Doubled:
    raise NonRetryableError("out of stock")


def flaky(ctx: TaskContext[Number]) -> Number:
    if ctx.run.attempt == 1:
        raise OSError("try again")
    return ctx.input


async def endless(number: Number) -> Number:
    await asyncio.sleep(600)
    return number


def _workflow(name: str, start: Task[Number, Number], retries: int = 0) -> Workflow:
    return Workflow(name=name, config=WorkflowConfig(starting_task=start, retries=retries))


def chain(name: str = "Chain", length: int = 3) -> Workflow:
    tasks = list[Task[Number, Number]]()
    for n in reversed(range(length)):
        tasks.append(Task[Number, Number](name=f"t{n}", config=TaskConfig(run=add, on_complete=tasks[-1:])))
    return _workflow(name, tasks[-1])


def diamond() -> Workflow:
    join = Task[Numbers, Number](name="join", config=TaskConfig(run=total))
    sides = [Task[Number, Doubled](name=f"side{n}", config=TaskConfig(run=double, on_complete=[join])) for n in (1, 2)]
    return _workflow("Diamond", Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[*sides])))


def two_ends() -> Workflow:
    ends = [Task[Number, Doubled](name=f"end{n}", config=TaskConfig(run=double, timeout="never")) for n in (1, 2)]
    return _workflow("TwoEnds", Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[*ends])))


def failing_branch() -> Workflow:
    after = Task[Doubled, None](name="after", config=TaskConfig(run=lambda doubled: None))
    bad = Task[Number, Doubled](name="bad", config=TaskConfig(run=broken, on_complete=[after]))
    good = Task[Number, Doubled](name="good", config=TaskConfig(run=double))
    start = Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[bad, good]))
    return _workflow("FailingBranch", start)


def retried() -> Workflow:
    return _workflow("Retried", Task[Number, Number](name="flaky", config=TaskConfig(run=flaky, retries=1)))


def canceled() -> Workflow:
    return _workflow("Canceled", Task[Number, Number](name="endless", config=TaskConfig(run=endless)))
