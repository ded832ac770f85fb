"""Plans run on Temporal as they are declared."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

from pydantic import BaseModel
from tests.integration.engine.support import Engine, failure

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2.workflow import Handler


class Number(BaseModel):
    value: int


class Doubled(BaseModel):
    value: int


class Sum(BaseModel):
    total: int


class Numbers(BaseModel):
    numbers: list[Doubled]


def workflow_of(name: str, start: Task[Number, Number]) -> Workflow:
    return Workflow(name=name, config=WorkflowConfig(starting_task=start))


def same(number: Number) -> Number:
    return number


def doubled(number: Number) -> Doubled:
    return Doubled(value=number.value * 2)


def total(numbers: Numbers) -> Sum:
    return Sum(total=sum(number.value for number in numbers.numbers))


def fan_out(name: str, width: int, run: Handler[Number, Doubled] = doubled) -> Workflow:
    """start → `width` tasks → one that sums their outputs."""
    join = Task[Numbers, Sum](name="join", config=TaskConfig(run=total))
    middle = [Task[Number, Doubled](name=f"t{n}", config=TaskConfig(run=run, on_complete=[join])) for n in range(width)]
    return workflow_of(name, Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[*middle])))


async def test_a_chain_hands_each_output_to_the_next_task(engine: Engine) -> None:
    """Async and sync handlers in one chain; the result is the last task's output."""

    async def first(number: Number) -> Doubled:
        return Doubled(value=number.value * 2)

    def second(number: Doubled) -> Sum:
        return Sum(total=number.value + 1)

    last = Task[Doubled, Sum](name="second", config=TaskConfig(run=second))
    start = Task[Number, Doubled](name="first", config=TaskConfig(run=first, on_complete=[last]))
    workflow = Workflow(name="Chain", config=WorkflowConfig(starting_task=start))

    assert await engine.run(workflow, {"value": 20}) == {"total": 41}


async def test_siblings_run_at_the_same_time(engine: Engine) -> None:
    """Children of one task overlap, sync and async ones: each waits until all three are there."""
    threads = threading.Barrier(3, timeout=20)

    def sync_child(number: Number) -> Doubled:
        threads.wait()
        return doubled(number)

    async def async_child(number: Number) -> Doubled:
        await asyncio.to_thread(threads.wait)
        return doubled(number)

    runs: list[Handler[Number, Doubled]] = [sync_child, sync_child, async_child]
    children = [
        Task[Number, Doubled](name=f"child{n}", config=TaskConfig(run=run, retries=0)) for n, run in enumerate(runs)
    ]
    start = Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[*children]))

    output = {"value": 8}
    assert await engine.run(workflow_of("Siblings", start), {"value": 4}) == {f"child{n}": output for n in range(3)}


async def test_a_join_runs_once_after_all_its_parents(engine: Engine) -> None:
    """A diamond: the join runs one time, when the slower parent has ended, and gets both outputs in declared order."""
    calls = list[str]()
    is_fast_over = threading.Event()

    def slow(number: Number) -> Doubled:
        assert is_fast_over.wait(30)
        calls.append("slow")
        return Doubled(value=1)

    def fast(number: Number) -> Doubled:
        calls.append("fast")
        is_fast_over.set()
        return Doubled(value=2)

    def join(numbers: Numbers) -> Numbers:
        calls.append("join")
        return numbers

    last = Task[Numbers, Numbers](name="join", config=TaskConfig(run=join))
    left = Task[Number, Doubled](name="slow", config=TaskConfig(run=slow, on_complete=[last]))
    right = Task[Number, Doubled](name="fast", config=TaskConfig(run=fast, on_complete=[last]))
    start = Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[left, right]))

    assert await engine.run(workflow_of("Diamond", start), {"value": 0}) == {"numbers": [{"value": 1}, {"value": 2}]}
    assert calls == ["fast", "slow", "join"]


async def test_a_thousand_tasks_side_by_side(engine: Engine) -> None:
    """A wide run completes: no more is started at a time than the server accepts, and each task runs once."""
    calls = Counter[str]()

    def count(ctx: TaskContext[Number]) -> Doubled:
        calls[ctx.run.task] += 1
        return doubled(ctx.input)

    assert await engine.run(fan_out("Wide", 1000, count), {"value": 1}, 270) == {"total": 2000}
    assert calls == {f"t{n}": 1 for n in range(1000)}


async def test_a_failing_branch_leaves_its_siblings_alone(engine: Engine) -> None:
    """The healthy branch runs to its end, what follows the failed task never starts, and the run fails by its name."""
    calls = Counter[str]()

    def broken(number: Number) -> Doubled:
        calls["broken"] += 1
        raise ValueError("no such card")

    async def healthy(number: Number) -> Doubled:
        await asyncio.sleep(0.3)
        calls["healthy"] += 1
        return doubled(number)

    def after(number: Doubled) -> Sum:
        calls["after"] += 1
        return Sum(total=number.value)

    def never(number: Doubled) -> Sum:
        calls["never"] += 1
        return Sum(total=number.value)

    skipped = Task[Doubled, Sum](name="skipped", config=TaskConfig(run=never))
    end = Task[Doubled, Sum](name="end", config=TaskConfig(run=after))
    bad = Task[Number, Doubled](name="bad", config=TaskConfig(run=broken, retries=0, on_complete=[skipped]))
    good = Task[Number, Doubled](name="good", config=TaskConfig(run=healthy, on_complete=[end]))
    workflow = workflow_of(
        "Branches", Task[Number, Number](name="start", config=TaskConfig(run=same, on_complete=[bad, good]))
    )

    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        error = await failure(handle)

    assert (error.task, error.tasks, error.class_name, error.message) == ("bad", ("bad",), "ValueError", "no such card")
    assert calls == {"broken": 1, "healthy": 1, "after": 1}
    assert error.traceback is not None
    assert error.traceback.startswith("Traceback (most recent call last):\n")
    assert 'raise ValueError("no such card")' in error.traceback
    assert "moose_lib" not in error.traceback


async def test_a_workflow_of_nothing_but_one_task_without_values(engine: Engine) -> None:
    """No input, no output: the result is null."""

    async def nothing() -> None:
        pass

    task = Task[None, None](name="only", config=TaskConfig(run=nothing))
    assert await engine.run(Workflow(name="Bare", config=WorkflowConfig(starting_task=task))) is None
