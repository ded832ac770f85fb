"""What is known about the workflows of a project, put together from lists that are behind and from what is fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.cli import listed
from moose_lib.cli.session import Session
from moose_lib.operations import declared
from moose_lib.operations.connecting import Client
from moose_lib.operations.records import RunState, RunStatus, RunSummary
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.project.settings import Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=3)
PLAN = Plan(
    workflow="Order",
    start="a",
    tasks=(PlannedTask(name="a", after=(), source=Source(kind="nothing"), timeout=None, retries=0),),
)
WORKFLOW = Workflow("Order", WorkflowConfig(starting_task=Task[None, None]("a", TaskConfig(run=lambda: None))))
OPEN = RunSummary(
    name="Order",
    workflow_id="Order-1",
    run_id="r1",
    state=RunState.RUNNING,
    started=NOW,
    closed=None,
    task_queue="moose",
)
ENDED = RunStatus(
    name="Order",
    workflow_id="Order-1",
    run_id="r1",
    first_run_id="r1",
    state=RunState.FAILED,
    started=NOW,
    closed=LATER,
    duration=timedelta(seconds=3),
)


class Near(Session):
    """A session whose server is played by the test."""

    def run(self, work: Callable[[Client], Awaitable[Any]]) -> Any:  # Any: whatever comes out
        async def at_work() -> Any:  # Any: as above
            return await work(cast("Client", None))  # nobody asks it

        return asyncio.run(at_work())


def test_a_run_that_the_list_still_calls_open_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In JSON as in the table."""

    async def last_runs(*_: object, **__: object) -> dict[str, RunSummary]:
        return {"Order": OPEN}

    async def open_statuses(*_: object) -> list[tuple[RunSummary, RunStatus]]:
        return [(OPEN, ENDED)]

    async def no_fires(*_: object, **__: object) -> dict[str, object]:
        return {}

    monkeypatch.setattr(declared, "last_runs", last_runs)
    monkeypatch.setattr(declared, "open_statuses", open_statuses)
    monkeypatch.setattr(declared, "ask_next_fires", no_fires)
    known = listed.known_about(Near(settings=Settings(root=tmp_path), project=None), [PLAN])
    document = declared.workflow_document(WORKFLOW, PLAN, known, NOW)["last_run"]

    assert listed.standing(known, "Order") == "failed"
    assert (document["state"], document["closed_at"], document["duration"]) == ("failed", "2026-11-22T12:00:03Z", 3.0)
