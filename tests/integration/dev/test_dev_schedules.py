"""`dev` brings schedules to its Temporal, at the start and after each save; open runs are left alone."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from tests.integration.conftest import connected, settings_for
from tests.integration.dev.harness import project_in, session

from moose_lib.dev.events import CodeRefused, DevReady, Reloaded
from moose_lib.operations.schedules import find_schedule, marked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from temporalio.client import Client

FLOW = """
import asyncio
from pathlib import Path

from moose_lib import Schedule, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

GO = Path(__file__).with_name("go")


async def ask(ctx: TaskContext[None]) -> None:
    print("asked for", ctx.run.scheduled_time, flush=True)
    while not GO.exists():
        await asyncio.sleep(0.02)


asking = Task[None, None](name="ask", config=TaskConfig(run=ask))
Workflow(name="flow", config=WorkflowConfig(starting_task=asking, schedule=SCHEDULE))
"""


def flow(schedule: str) -> str:
    return FLOW.replace("SCHEDULE", schedule)


async def open_runs(client: Client) -> list[str]:
    query = "WorkflowType = 'flow' AND ExecutionStatus = 'Running'"
    return [run.id async for run in client.list_workflows(query)]


async def schedules(client: Client) -> list[str]:
    return [name async for name in marked(client)]


async def until_listed(look: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Lists lag behind."""
    async with asyncio.timeout(60):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.05)


async def test_schedules_follow_the_code_and_open_runs_go_on(tmp_path: Path) -> None:
    """It fires; a save changes it, the next one removes it; the run that fired ends as if nothing had happened."""
    project = project_in(tmp_path, flow('"@every 1s"'))
    async with session(project, is_real=True) as dev:
        facts = (await dev.next(DevReady)).facts
        assert re.fullmatch(r"@every 1s, next \d{4}-.* \+00:00", facts.schedules["flow"])
        await dev.line("asked for 20")
        client = await connected(settings_for(project.settings.temporal.port or 0, tmp_path))
        [run] = await until_listed(lambda: open_runs(client))
        await until_listed(lambda: schedules(client))

        project.entry.write_text(flow('Schedule(cron="@yearly", timezone="Europe/Berlin")'))
        news = (await dev.next(Reloaded)).news
        assert news is not None
        assert re.fullmatch(r"schedules: flow changed \(was @every 1s\), next \d{4}-01-01 00:00:00 \+01:00", news)
        project.entry.write_text(flow("None"))
        assert (await dev.next(Reloaded)).news == "schedules: flow removed"
        assert await find_schedule(client, "flow") is None
        assert await open_runs(client) == [run]
        (tmp_path / "go").touch()
        await client.get_workflow_handle(run).result()


async def test_a_schedule_that_is_wrong_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    project = project_in(tmp_path, flow('"@yearly"'))
    async with session(project, is_real=True) as dev:
        assert (await dev.next(DevReady)).facts.notes == ()
        client = await connected(settings_for(project.settings.temporal.port or 0, tmp_path))

        project.entry.write_text(flow('"61 * * * *"'))
        assert "'61' is no minute from 0 to 59" in (await dev.next(CodeRefused)).text

        found = await find_schedule(client, "flow")
        assert found is not None
        assert found.declared is not None
        assert found.declared.text == "@yearly"
