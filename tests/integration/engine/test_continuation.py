"""A run too long for one history goes on in the next one, and nobody can tell from what it does.

The server of this module suggests a new history after 60 events, where a real one says 4,096.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory
from tests.integration.conftest import connected, settings_for, temporal_server
from tests.integration.engine.support import Engine, Handle, failure, result

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2.workflow import Handler


class Number(BaseModel):
    value: int


class Doubled(BaseModel):
    value: int


class Numbers(BaseModel):
    numbers: list[Doubled]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with temporal_server(["limit.historyCount.suggestContinueAsNew=60"]) as port:
        yield port


@pytest.fixture
async def short(port: int, tmp_path: Path) -> Engine:
    """An engine whose histories are short."""
    settings = settings_for(port, tmp_path, f"queue-{uuid.uuid4().hex[:8]}")
    return Engine(await connected(settings), settings)


async def lives(engine: Engine, handle: Handle) -> list[WorkflowHistory]:
    """The histories in which the run was executed, one after the other."""
    found, run_id = list[WorkflowHistory](), handle.first_execution_run_id
    while run_id:
        found.append(await engine.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history())
        run_id = found[-1].events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def wide(name: str, width: int, calls: Counter[str], fails: str | None = None) -> Workflow:
    def double(ctx: TaskContext[Number]) -> Doubled:
        calls[ctx.run.task] += 1
        if ctx.run.task == fails:
            raise ValueError(f"bad {fails}")
        return Doubled(value=ctx.input.value * 2)

    def chain(number: Doubled) -> Doubled:
        return Doubled(value=number.value + 1)

    def join(numbers: Numbers) -> Number:
        calls["join"] += 1
        return Number(value=sum(number.value for number in numbers.numbers))

    def start(number: Number) -> Number:
        calls["start"] += 1
        return number

    last = Task[Numbers, Number](name="join", config=TaskConfig(run=join))
    first = Task[Number, Number](name="start", config=TaskConfig(run=start, on_complete=[]))
    for n in range(width):
        after = Task[Doubled, Doubled](name=f"chain{n}", config=TaskConfig(run=chain, on_complete=[last]))
        task = Task[Number, Doubled](name=f"double{n}", config=TaskConfig(run=double, retries=0, on_complete=[after]))
        assert first.config.on_complete is not None
        first.config.on_complete.append(task)
    return Workflow(name=name, config=WorkflowConfig(starting_task=first, retries=0))


def long_chain(name: str, run: Handler[Number, Number], timeout: str | None = None) -> Workflow:
    tasks = list[Task[Number, Number]]()
    for n in reversed(range(60)):
        tasks.append(Task[Number, Number](name=f"t{n}", config=TaskConfig(run=run, on_complete=tasks[-1:])))
    return Workflow(name=name, config=WorkflowConfig(starting_task=tasks[-1], timeout=timeout))


async def test_a_thousand_tasks_over_many_histories(short: Engine) -> None:
    """500 branches of two tasks and a join: each runs once, and the join gets all outputs."""
    calls = Counter[str]()
    workflow = wide("Many", 500, calls)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 3})
        assert await result(handle, 120) == {"value": 500 * 7}
    assert calls == {"start": 1, "join": 1} | {f"double{n}": 1 for n in range(500)}
    assert len(await lives(short, handle)) > 2


async def test_a_chain_hands_its_values_over(short: Engine) -> None:
    """60 tasks one after another: each gets the output of the one before, also across histories."""

    def add(number: Number) -> Number:
        return Number(value=number.value + 1)

    workflow = long_chain("LongChain", add)
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 0})
        assert await result(handle) == {"value": 60}
    assert len(await lives(short, handle)) > 2


async def test_a_failure_is_carried_to_the_end(short: Engine) -> None:
    """A branch fails in the first history; the healthy ones go on, and the run fails in a later one with its error."""
    calls = Counter[str]()
    workflow = wide("ManyFail", 60, calls, fails="double3")
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 3})
        error = await failure(handle)
    assert (error.task, error.tasks, error.class_name, error.message) == (
        "double3",
        ("double3",),
        "ValueError",
        "bad double3",
    )
    assert 'raise ValueError(f"bad {fails}")' in (error.traceback or "")
    assert calls == {"start": 1} | {f"double{n}": 1 for n in range(60)}
    assert len(await lives(short, handle)) > 1


async def test_retries_of_the_run_are_counted_over_histories(short: Engine) -> None:
    """The run's retries are those of the whole run; each starts from the beginning, with every task."""
    calls = Counter[str]()
    workflow = wide("ManyRetry", 60, calls, fails="double3")
    workflow.config.retries = 1
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 3})
        await failure(handle)
    assert calls == {"start": 2} | {f"double{n}": 2 for n in range(60)}


async def test_the_timeout_of_the_run_goes_on(short: Engine) -> None:
    """The workflow's timeout is that of all histories together."""

    async def add(number: Number) -> Number:
        if number.value == 30:
            await asyncio.sleep(60)
        return Number(value=number.value + 1)

    workflow = long_chain("ManyLate", add, timeout="10s")
    async with short.worker(workflow):
        handle = await short.start(workflow, {"value": 0})
        assert (await failure(handle)).class_name == "TimeoutError"
    assert (await short.client.get_workflow_handle(handle.id).describe()).status is WorkflowExecutionStatus.TIMED_OUT
    begins = [life.events[0].workflow_execution_started_event_attributes for life in await lives(short, handle)]
    ends = [begin.workflow_execution_expiration_time.ToDatetime() for begin in begins]
    assert len(ends) > 1
    assert set(ends) == {ends[0]}
