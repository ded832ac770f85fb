"""Times that pass while the server is down: none, the last or all of them run, on the same database."""

from __future__ import annotations

import asyncio
import math
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.integration.conftest import connected, free_port, settings_for
from tests.integration.engine.support import until

from moose_lib.dev.logfile import LogFile
from moose_lib.dev.temporal import TemporalServer
from moose_lib.dmv2 import Schedule
from moose_lib.operations.catchup import catch_up, keep_caught_up
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.schedule_records import Owner
from moose_lib.operations.schedules import describe_schedule
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.schedule import plan_schedule
from moose_lib.project.settings import process_environment

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest
    from temporalio.client import Client

OWNER = Owner(project="project", task_queue="nobody")
#: Temporal starts by itself what it is up to ten seconds late for.
LATE = timedelta(seconds=13)
#: Seconds that a server which has just come back gets.
PATIENCE = 60


def plan(name: str, schedule: Schedule) -> Plan:
    task = PlannedTask(name="a", source=Source(kind="nothing"), timeout=None, retries=0)
    return Plan(workflow=name, start="a", tasks=(task,), schedule=plan_schedule(schedule, None))


def rare(soon: datetime) -> tuple[datetime, str]:
    """A time soon after this one, and an interval that has it and no other for some minutes."""
    second = math.ceil(soon.timestamp())
    while True:
        for length in range(300, 3000):
            if second % length == 0:
                return datetime.fromtimestamp(second, UTC), f"{length}s"
        second += 1


@asynccontextmanager
async def server(folder: Path, port: int, ui_port: int) -> AsyncGenerator[Client]:
    log = LogFile(folder / "temporal.log")
    async with AsyncExitStack() as stack:
        stack.enter_context(log)
        temporal = TemporalServer(
            directory=folder,
            port=port,
            ui_port=ui_port,
            namespace="default",
            durability="normal",
            environment=process_environment(folder),
            log=log,
            on_event=lambda _: None,
        )
        await temporal.start()
        stack.push_async_callback(temporal.stop)
        yield await connected(settings_for(port, folder))


async def slots(client: Client, name: str) -> set[datetime]:
    """The times of the runs of a workflow."""
    runs = client.list_workflows(f"WorkflowType = '{name}'")
    return {datetime.fromisoformat(run.id.removeprefix(f"{name}-scheduled-")) async for run in runs}


async def test_none_the_last_or_all_missed_times_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Workers that come up together ask for the same run, which counts once; asked again, there is nothing to do."""
    caplog.set_level("INFO", "moose_lib.operations.catchup")
    ports = free_port(), free_port()
    folder, time, plans = await declared_and_down(tmp_path, *ports)
    await asyncio.sleep((time + LATE - datetime.now(UTC)).total_seconds())  # what is waited for is time itself

    async with server(folder, *ports) as client:
        for name in ("None", "Last", "Jittered", "Frequent"):
            await until(lambda name=name: _has_missed(client, name), PATIENCE)  # type: ignore[misc]  # mypy infers no such lambda
        assert await slots(client, "Last") == set()
        assert [await catch_up(client, "another project", name) for name in plans] == [None] * len(plans)
        keepers = [asyncio.create_task(keep_caught_up(client, OWNER.project, tuple(plans))) for _ in range(3)]
        both = {f"catching up the last missed time of {name}" for name in ("Last", "Jittered")}
        await until(lambda: _told(caplog) >= both, PATIENCE)
        for name in ("Last", "Jittered"):
            await until(lambda name=name: _has_run(client, name), PATIENCE)  # type: ignore[misc]  # as above
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)
        assert [await catch_up(client, OWNER.project, name) for name in plans] == [None] * len(plans)
        assert _told(caplog) == both
        assert {name: await slots(client, name) for name in ("None", "Last", "Jittered")} == {
            "None": set(),
            "Last": {time},
            "Jittered": {time},
        }
        await until(lambda: _has_caught_up(client, "All", time), PATIENCE)
        assert among(await slots(client, "Frequent"), time, time + timedelta(seconds=1)) == set()


async def declared_and_down(root: Path, port: int, ui_port: int) -> tuple[Path, datetime, dict[str, Plan]]:
    """A database with schedules, whose time has not come when its server is down; machines are not equally fast."""
    lead = timedelta(seconds=3)
    while True:
        folder = root / str(lead.seconds)
        folder.mkdir()
        async with server(folder, port, ui_port) as client:
            time, every = rare(datetime.now(UTC) + lead)
            schedules = {
                "None": Schedule(every=every, catchup="none"),
                "Last": Schedule(every=every),
                "Jittered": Schedule(every=every, jitter="2s"),
                "All": Schedule(every="2s", catchup="all", overlap="allow_all"),
                "Frequent": Schedule(every="2s", overlap="allow_all"),
            }
            plans = {name: plan(name, schedule) for name, schedule in schedules.items()}
            await reconcile(client, plans, OWNER, removes=True)
        if datetime.now(UTC) < time:
            return folder, time, plans
        lead *= 2


def among(times: set[datetime], start: datetime, end: datetime) -> set[datetime]:
    return {time for time in times if start <= time <= end}


async def _has_caught_up(client: Client, name: str, time: datetime) -> bool:
    return len(among(await slots(client, name), time, time + LATE)) >= 3


async def _has_run(client: Client, name: str) -> bool:
    return bool(await slots(client, name))


def _told(caplog: pytest.LogCaptureFixture) -> set[str]:
    return {it.getMessage().partition(": ")[0] for it in caplog.records if it.levelname == "INFO"}


async def _has_missed(client: Client, name: str) -> bool:
    return (await describe_schedule(client, name)).missed > 0
