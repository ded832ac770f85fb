"""Schedules on the real server: they fire, hand the time over, backfill, trigger, and catch up what was missed."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from pydantic import BaseModel
from temporalio.client import Client
from tests.integration.engine.support import Engine

from moose_lib.dmv2 import Schedule, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.errors import ScheduleNotFound
from moose_lib.operations.backfill import TooManySlots, backfill, plan_backfill
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.schedule_records import Owner, SlotState
from moose_lib.operations.schedules import (
    describe_schedule,
    find_schedule,
    pause_schedule,
    trigger_schedule,
    unpause_schedule,
)
from moose_lib.plan.build import compile_workflow

T = TypeVar("T")


class Report(BaseModel):
    days: int = 1
    notes: str = ""


class Seen(BaseModel):
    time: datetime | None
    days: int


class Desk:
    """A workflow that writes down the time that each of its runs stands for; a run is open until `go` is set."""

    def __init__(self, schedule: Schedule) -> None:
        self.seen: list[datetime | None] = []
        self.go = threading.Event()
        self.go.set()
        task = Task[Report, Seen](name="report", config=TaskConfig(run=self._report, retries=0))
        config = WorkflowConfig(starting_task=task, schedule=schedule, timeout="10m")
        self.workflow = Workflow(f"Report{secrets.token_hex(4)}", config)

    @property
    def name(self) -> str:
        return self.workflow.name

    def _report(self, context: TaskContext[Report]) -> Seen:
        self.seen.append(context.run.scheduled_time)
        self.go.wait()
        return Seen(time=context.run.scheduled_time, days=context.input.days)


@asynccontextmanager
async def deployed(engine: Engine, desk: Desk) -> AsyncGenerator[None]:
    """The schedule of a workflow on the server, gone in the end."""
    plan = compile_workflow(desk.workflow)
    owner = Owner(project=f"project-{desk.name}", task_queue=engine.settings.temporal.task_queue)
    await reconcile(engine.client, {desk.name: plan}, owner, removes=False)
    try:
        yield
    finally:
        if await find_schedule(engine.client, desk.name) is not None:
            await engine.client.get_schedule_handle(f"moose-{desk.name}").delete()


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    async with asyncio.timeout(60):
        while True:
            found = await look()
            if holds(found):
                return found
            await asyncio.sleep(0.1)


async def states(client: Client, name: str) -> dict[str, str]:
    """The status of the runs of a workflow by id."""
    runs = client.list_workflows(f"WorkflowType = '{name}'")
    return {run.id: "" if run.status is None else run.status.name async for run in runs}


async def test_it_fires_with_its_input_and_the_task_gets_its_time(engine: Engine) -> None:
    """A scheduled run carries no plan: the worker brings that of now."""
    desk = Desk(Schedule(every="1s", overlap="allow_all", input=Report(days=7)))

    async with deployed(engine, desk), engine.worker(desk.workflow):
        runs = await until(
            lambda: states(engine.client, desk.name),
            lambda found: list(found.values()).count("COMPLETED") >= 3,
        )

    assert all(time is not None and time.microsecond == 0 for time in desk.seen)
    ids = {f"{desk.name}-scheduled-{time:%Y-%m-%dT%H:%M:%SZ}" for time in desk.seen if time is not None}
    assert {run for run, state in runs.items() if state == "COMPLETED"} <= ids
    first = min(run for run, state in runs.items() if state == "COMPLETED")
    described = await engine.client.get_workflow_handle(first).describe()
    assert await described.static_summary() == "scheduled: every 1s"
    result: Seen = await engine.client.get_workflow_handle(first, result_type=Seen).result()
    assert (result.days, f"{first[-20:]}") == (7, f"{result.time:%Y-%m-%dT%H:%M:%SZ}")


async def test_a_large_input_travels_by_reference(engine: Engine) -> None:
    desk = Desk(Schedule(cron="@yearly", input={"days": 3, "notes": "x" * 400_000}))

    async with deployed(engine, desk), engine.worker(desk.workflow):
        found = await describe_schedule(engine.client, desk.name)
        assert found.declared is not None
        assert found.declared.input is not None
        action = await trigger_schedule(engine.client, desk.name)
        assert action is not None
        result: Seen = await engine.client.get_workflow_handle(action.workflow_id, result_type=Seen).result()

    assert (result.days, len(found.declared.input) > 400_000) == (3, True)


async def test_a_run_by_hand_has_no_time(engine: Engine) -> None:
    desk = Desk(Schedule(cron="@yearly"))

    async with engine.worker(desk.workflow):
        await (await engine.start(desk.workflow, {})).result()

    assert desk.seen == [None]


async def test_a_paused_one_does_not_fire_but_can_be_triggered(engine: Engine) -> None:
    """A triggered run stands for the moment at which it was triggered, as Temporal says."""
    desk = Desk(Schedule(cron="@yearly"))

    async with deployed(engine, desk), engine.worker(desk.workflow):
        await pause_schedule(engine.client, desk.name, "wait")
        assert (await describe_schedule(engine.client, desk.name)).note == "wait"
        action = await trigger_schedule(engine.client, desk.name)
        assert action is not None
        await engine.client.get_workflow_handle(action.workflow_id).result()
        await unpause_schedule(engine.client, desk.name, "go on")
        found = await describe_schedule(engine.client, desk.name)

    [time] = desk.seen
    assert time is not None
    assert action.workflow_id == f"{desk.name}-scheduled-{time:%Y-%m-%dT%H:%M:%SZ}"
    assert (found.is_paused, found.note, found.started) == (False, "go on", 1)


async def test_a_trigger_obeys_the_overlap(engine: Engine) -> None:
    desk = Desk(Schedule(cron="@yearly", overlap="skip"))
    desk.go.clear()

    async with deployed(engine, desk), engine.worker(desk.workflow):
        first = await trigger_schedule(engine.client, desk.name)
        assert first is not None
        await asyncio.sleep(1.1)  # ids have whole seconds
        assert await trigger_schedule(engine.client, desk.name) is None
        beside = await trigger_schedule(engine.client, desk.name, "allow_all")
        desk.go.set()
        assert beside is not None
        for action in (first, beside):
            await engine.client.get_workflow_handle(action.workflow_id).result()

    assert first.workflow_id != beside.workflow_id


async def test_each_of_many_triggers_is_answered_a_run_that_is_there(engine: Engine) -> None:
    """Those of one second share its run: the server drops all but one of them, and says nothing."""
    desk = Desk(Schedule(cron="@yearly", overlap="allow_all"))
    desk.go.clear()

    async with deployed(engine, desk), engine.worker(desk.workflow):
        found = await asyncio.gather(*[trigger_schedule(engine.client, desk.name) for _ in range(5)])
        desk.go.set()
        actions = [action for action in found if action is not None]
        own = {action.run_id for action in actions if not action.is_shared}
        for action in actions:
            await engine.client.get_workflow_handle(action.workflow_id, run_id=action.run_id).result()
        described = await describe_schedule(engine.client, desk.name)

    assert (len(actions), described.started) == (5, len(own))
    assert {action.run_id for action in actions} == own == {action.run_id for action in described.recent}


@pytest.mark.parametrize("jitter", [None, "10m"])
async def test_backfill_runs_only_the_missing_times_each_with_its_own(engine: Engine, jitter: str | None) -> None:
    """Also where jitter starts them somewhat later: the time is the declared one."""
    desk = Desk(Schedule(cron="0 6 * * *", timezone="Europe/Berlin", jitter=jitter, paused=True))
    first, last = datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)
    times = [datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((27, 5), (28, 5), (29, 4), (30, 4))]

    async with deployed(engine, desk), engine.worker(desk.workflow):
        second = await plan_backfill(engine.client, desk.name, times[1], times[1])
        await backfill(engine.client, second)
        await until(lambda: states(engine.client, desk.name), lambda found: list(found.values()) == ["COMPLETED"])

        found = await plan_backfill(engine.client, desk.name, first, last)
        assert [slot.time for slot in found.slots] == times
        missing, ran = SlotState.MISSING, SlotState.RAN
        assert [slot.state for slot in found.slots] == [missing, ran, missing, missing]
        assert found.slots[1].run_state == "completed"

        await backfill(engine.client, found.only_missing())
        await until(
            lambda: states(engine.client, desk.name),
            lambda found: list(found.values()).count("COMPLETED") == 4,
        )
        again = await plan_backfill(engine.client, desk.name, first, last)
        await backfill(engine.client, again.only_missing())

    assert again.missing == ()
    assert sorted(time for time in desk.seen if time is not None) == times


@pytest.mark.parametrize("jitter", [None, "20m"])
async def test_backfill_runs_the_times_of_the_hour_that_comes_twice(engine: Engine, jitter: str | None) -> None:
    """What the server tells of that hour depends on where it is asked to begin; the times are those of a long span."""
    schedule = Schedule(cron="*/30 * * * *", timezone="Europe/Berlin", overlap="allow_all", jitter=jitter, paused=True)
    desk = Desk(schedule)  # paused, as it may be half past by now
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)

    async with deployed(engine, desk), engine.worker(desk.workflow):
        day = await plan_backfill(engine.client, desk.name, change - timedelta(hours=12), change + timedelta(hours=6))
        close = [
            await plan_backfill(engine.client, desk.name, change + timedelta(minutes=late), change + timedelta(hours=6))
            for late in range(0, 150, 10)
        ]
        await backfill(engine.client, close[0])
        wanted = [slot.time for slot in close[0].slots]
        await until(
            lambda: states(engine.client, desk.name),
            lambda found: list(found.values()).count("COMPLETED") == len(wanted),
        )

    for late, found in zip(range(0, 150, 10), close, strict=True):
        start = change + timedelta(minutes=late)
        assert [slot.time for slot in found.slots] == [it.time for it in day.slots if it.time >= start]
    assert sorted(time for time in desk.seen if time is not None) == wanted


async def test_a_backfill_ends_now_and_has_a_limit(engine: Engine) -> None:
    desk = Desk(Schedule(cron="* * * * *", overlap="allow_all"))
    now = datetime.now(UTC)

    async with deployed(engine, desk):
        found = await plan_backfill(engine.client, desk.name, now - timedelta(minutes=3), now + timedelta(days=1))
        assert all(slot.time <= datetime.now(UTC) for slot in found.slots)
        assert (len(found.slots) in (3, 4), found.overlap) == (True, "allow_all")
        with pytest.raises(TooManySlots, match="more than 500 times"):
            await plan_backfill(engine.client, desk.name, now - timedelta(days=2), now)
    with pytest.raises(ScheduleNotFound):
        await plan_backfill(engine.client, desk.name, now, now)
    with pytest.raises(ScheduleNotFound):
        await trigger_schedule(engine.client, desk.name)
