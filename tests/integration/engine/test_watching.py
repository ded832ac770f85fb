"""What an observer is told about runs, in every way a run, a task and an attempt can end; and that it is told once."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel
from temporalio.client import Client
from tests.integration.conftest import connected, settings_for, temporal_server
from tests.integration.engine.support import Engine, failure, result, until

from moose_lib import NonRetryableError, RetryLater, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.engine import wire
from moose_lib.engine.queue_watch import watch_queue
from moose_lib.engine.watching import started_of
from moose_lib.observing.observer import (
    AttemptEnded,
    AttemptStarted,
    Event,
    QueueSeen,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskStarted,
    TemporalSilent,
    WorkerIs,
)


class Record:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events = list[Event]()

    def see(self, event: Event) -> None:
        self.events.append(event)

    @property
    def runs(self) -> list[str]:
        return [event.state for event in self.events if isinstance(event, RunEnded)]

    @property
    def tasks(self) -> dict[str, str]:
        return {event.task.name: event.state for event in self.events if isinstance(event, TaskEnded)}

    @property
    def attempts(self) -> list[str]:
        return [event.outcome for event in self.events if isinstance(event, AttemptEnded)]

    def of(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)


def one(name: str, task: Task[None, None], retries: int = 0) -> Workflow:
    return Workflow(name=name, config=WorkflowConfig(starting_task=task, retries=retries))


async def test_a_run_that_completes(engine: Engine) -> None:
    seen = Record()

    def work() -> None:
        return None

    second = Task[None, None](name="second", config=TaskConfig(run=work))
    first = Task[None, None](name="first", config=TaskConfig(run=work, on_complete=[second]))
    flow = one("Completes", first)
    before = datetime.now(UTC) - timedelta(seconds=5)
    async with engine.worker(flow, observer=seen):
        await result(await engine.start(flow))

    (ended,) = [event for event in seen.events if isinstance(event, RunEnded)]
    assert (seen.runs, seen.tasks) == (["completed"], {"first": "completed", "second": "completed"})
    assert seen.attempts == ["completed", "completed"]
    assert (seen.of(RunStarted), seen.of(TaskStarted), seen.of(AttemptStarted)) == (1, 2, 2)
    assert before < ended.run.started <= ended.ended
    assert [event.state for event in seen.events if isinstance(event, WorkerIs)] == ["working", "draining", "stopped"]


async def test_every_way_an_attempt_can_fail(engine: Engine) -> None:
    seen, tries = Record(), Counter[str]()

    def fail(ctx: TaskContext[None]) -> None:
        tries["all"] += 1
        if tries["all"] == 1:
            raise RetryLater("10ms")
        if tries["all"] == 2:
            raise ValueError("once more")
        raise NonRetryableError("no more")

    flow = one("Fails", Task[None, None](name="fail", config=TaskConfig(run=fail, retries=5, retry_delay="10ms")))
    async with engine.worker(flow, observer=seen):
        await failure(await engine.start(flow))

    assert (seen.runs, seen.tasks) == (["failed"], {"fail": "failed"})
    assert seen.attempts == ["postponed", "retried", "failed"]
    faults = [event.fault for event in seen.events if isinstance(event, TaskEnded | RunEnded)]
    assert [str(fault) for fault in faults] == ["NonRetryableError: no more"] * 2
    assert all(fault is not None and "raise NonRetryableError" in (fault.traceback or "") for fault in faults)


async def test_a_run_that_is_retried(engine: Engine) -> None:
    """The first failure is no end; the ids say that both are one run."""
    seen, tries = Record(), Counter[str]()

    def flaky() -> None:
        tries["all"] += 1
        if tries["all"] == 1:
            raise ValueError("bad luck")

    flow = one("Retried", Task[None, None](name="flaky", config=TaskConfig(run=flaky, retries=0)), retries=1)
    async with engine.worker(flow, observer=seen):
        await result(await engine.start(flow))

    runs = [event.run for event in seen.events if isinstance(event, RunEnded)]
    assert seen.runs == ["retried", "completed"]
    assert runs[0].run_id != runs[1].run_id
    assert {run.first_run_id for run in runs} == {runs[0].run_id}
    assert runs[0].started == runs[1].started
    origins = {event.attempt.first_run_id for event in seen.events if isinstance(event, AttemptEnded)}
    assert origins == {runs[0].run_id}


async def test_a_run_that_is_canceled(engine: Engine) -> None:
    seen = Record()

    async def wait() -> None:
        await asyncio.sleep(60)

    flow = one("Canceled", Task[None, None](name="wait", config=TaskConfig(run=wait)))
    async with engine.worker(flow, observer=seen):
        handle = await engine.start(flow)
        await until(lambda: seen.of(AttemptStarted) == 1)
        await handle.cancel()
        await until(lambda: seen.of(RunEnded) == 1)

    assert (seen.runs, seen.tasks, seen.attempts) == (["canceled"], {"wait": "canceled"}, ["canceled"])
    assert all(event.fault is None for event in seen.events if isinstance(event, RunEnded | TaskEnded | AttemptEnded))


async def test_a_task_that_is_parked_and_retried_has_two_turns(engine: Engine) -> None:
    seen, tries = Record(), Counter[str]()

    def flaky() -> None:
        tries["all"] += 1
        if tries["all"] == 1:
            raise ValueError("bad luck")

    flow = one("Parked", Task[None, None](name="flaky", config=TaskConfig(run=flaky, retries=0, on_failure="park")))
    async with engine.worker(flow, observer=seen):
        handle = await engine.start(flow)
        await until(lambda: seen.of(TaskEnded) == 1)
        await handle.signal(wire.SIGNAL_RETRY, wire.encode(wire.Order(task="flaky")))
        await result(handle)

    ended = [(event.state, event.task.turn) for event in seen.events if isinstance(event, TaskEnded)]
    turns = [event.attempt.turn for event in seen.events if isinstance(event, AttemptEnded)]
    assert ended == [("parked", 1), ("completed", 2)]
    assert turns == [1, 2]


async def test_an_attempt_that_is_given_back_and_a_run_that_another_worker_takes_over(engine: Engine) -> None:
    """The second worker replays the begin of the run, and tells nothing of it again."""
    first, second, go = Record(), Record(), asyncio.Event()

    def prepare() -> None:
        return None

    async def wait() -> None:
        while not go.is_set():  # noqa: ASYNC110  # it is another loop's
            await asyncio.sleep(0.02)

    waiting = Task[None, None](name="wait", config=TaskConfig(run=wait))
    flow = one("TakenOver", Task[None, None](name="prepare", config=TaskConfig(run=prepare, on_complete=[waiting])))
    hurry = asyncio.Event()
    async with engine.worker(flow, observer=first, hurry=hurry) as stop:
        handle = await engine.start(flow)
        await until(lambda: first.of(AttemptStarted) == 2)
        stop.set()
        hurry.set()
    go.set()
    async with engine.worker(flow, observer=second):
        await result(handle)

    assert first.attempts == ["completed", "returned"]
    assert (first.tasks, first.runs) == ({"prepare": "completed"}, [])
    assert second.attempts == ["completed"]
    assert (second.tasks, second.runs) == ({"wait": "completed"}, ["completed"])
    assert (second.of(RunStarted), second.of(TaskStarted)) == (0, 0)
    (attempt,) = [event.attempt for event in second.events if isinstance(event, AttemptEnded)]
    assert (attempt.number, attempt.handed_out, attempt.losses) == (1, 2, 0)


async def test_a_task_that_this_worker_does_not_know(engine: Engine) -> None:
    """It hands the task on, and says so."""
    old, new = Record(), Record()

    def work() -> None:
        return None

    known = one("Renamed", Task[None, None](name="old", config=TaskConfig(run=work)))
    started = one("Renamed2", Task[None, None](name="new", config=TaskConfig(run=work)))
    async with engine.worker(known, observer=old):
        handle = await engine.start(started)
        await until(lambda: "unknown" in old.attempts)
    async with engine.worker(started, observer=new):
        await result(handle)

    assert new.runs == ["completed"]


async def test_a_wide_run_is_told_once(engine: Engine) -> None:
    """Temporal refuses steps of such runs now and then, and has them made again."""
    seen = Record()

    async def work() -> None:
        return None

    tasks = [Task[None, None](name=f"work-{index}", config=TaskConfig(run=work)) for index in range(200)]
    flow = one("Wide", Task[None, None](name="begin", config=TaskConfig(run=work, on_complete=tasks)))
    async with engine.worker(flow, observer=seen):
        await result(await engine.start(flow))

    assert (seen.of(RunStarted), seen.runs) == (1, ["completed"])
    assert (seen.of(TaskStarted), seen.of(TaskEnded), seen.of(AttemptEnded)) == (201, 201, 201)


async def test_plans_that_are_asked_for_are_no_tasks(engine: Engine) -> None:
    """A run that came without a plan makes its worker look for one."""
    seen = Record()

    def work() -> None:
        return None

    flow = one("Foreign", Task[None, None](name="work", config=TaskConfig(run=work)))
    async with engine.worker(flow, observer=seen):
        await result(await engine.start_foreign("Foreign"))

    assert (seen.tasks, seen.attempts) == ({"work": "completed"}, ["completed"])


class Number(BaseModel):
    value: int = 0


@pytest.fixture(scope="module")
def short_port() -> Iterator[int]:
    with temporal_server(["limit.historyCount.suggestContinueAsNew=60"]) as port:
        yield port


async def test_a_run_of_several_histories_is_one(short_port: int, tmp_path: Path) -> None:
    """It ends once, and its later attempts know where they belong."""
    settings = settings_for(short_port, tmp_path, f"queue-{uuid.uuid4().hex[:8]}")
    engine, seen = Engine(await connected(settings), settings), Record()

    def step(number: Number) -> Number:
        return Number(value=number.value + 1)

    last: Task[Number, Number] | None = None
    for index in reversed(range(30)):
        following = [] if last is None else [last]
        last = Task[Number, Number](name=f"step-{index}", config=TaskConfig(run=step, on_complete=following))
    assert last is not None
    flow = Workflow(name="Long", config=WorkflowConfig(starting_task=last))
    async with engine.worker(flow, observer=seen):
        handle = await engine.start(flow, {})
        assert await result(handle) == {"value": 30}

    starts = [event.run for event in seen.events if isinstance(event, RunStarted)]
    assert len(starts) > 1
    assert {run.first_run_id for run in starts} == {handle.result_run_id}
    assert (seen.runs, len(seen.tasks)) == (["completed"], 30)
    attempts = [event.attempt for event in seen.events if isinstance(event, AttemptEnded)]
    assert {attempt.first_run_id for attempt in attempts} == {handle.result_run_id}
    assert len({attempt.run_id for attempt in attempts}) == len(starts)


async def test_what_waits_in_the_queue_is_told(client: Client, engine: Engine) -> None:
    seen = Record()

    def work() -> None:
        return None

    flow = one("Waits", Task[None, None](name="work", config=TaskConfig(run=work)))
    handle = await engine.start(flow)
    watching = asyncio.create_task(watch_queue(client, engine.settings.temporal.task_queue, seen))

    def told() -> dict[str, tuple[int, int]]:
        """The newest of each kind."""
        return {event.kind: (event.backlog, event.pollers) for event in seen.events if isinstance(event, QueueSeen)}

    await until(lambda: told() == {"run": (1, 0), "task": (0, 0)})
    watching.cancel()
    await handle.terminate()

    assert seen.of(TemporalSilent) == 0


@pytest.mark.parametrize("run_id", ["", "not-an-id", "9b2d4f3e-6c1a-4f7e-8a55-0d3b7c1e9f20"])
def test_ids_that_have_no_time_have_none(run_id: str) -> None:
    assert started_of(run_id) is None
