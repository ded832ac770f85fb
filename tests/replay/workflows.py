"""What the recorded histories are of; each shows the interpreter doing something else."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from moose_lib import (
    NonRetryableError,
    RetryLater,
    RunOutcome,
    Task,
    TaskConfig,
    TaskContext,
    Workflow,
    WorkflowConfig,
)


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


_asked = set[str]()


def patient(ctx: TaskContext[Number]) -> Number:
    if ctx.run.workflow_id not in _asked:
        _asked.add(ctx.run.workflow_id)
        raise RetryLater("10ms", "not yet")
    return ctx.input


def tell(outcome: RunOutcome) -> None: ...


def limited() -> Workflow:
    config = TaskConfig(run=patient, retry_delay="10ms", retry_jitter=0.5, total_timeout="1m", queue_timeout="30s")
    return _workflow("Limited", Task[Number, Number](name="patient", config=config))


def told_of_success() -> Workflow:
    workflow = chain("ToldOfSuccess", 2)
    workflow.config.on_success = Task[RunOutcome, None](name="cheer", config=TaskConfig(run=tell))
    return workflow


def told_of_failure() -> Workflow:
    """The run starts once more; its hook runs after the last start, and fails itself."""
    workflow = _workflow(
        "ToldOfFailure", Task[Number, Number](name="flaky", config=TaskConfig(run=always, retries=0)), 1
    )
    workflow.config.on_failure = Task[RunOutcome, None](name="tell", config=TaskConfig(run=unable, retries=0))
    return workflow


def always(number: Number) -> Number:
    raise OSError("out of order")


def unable(outcome: RunOutcome) -> None:
    raise OSError("no mail")
