"""How long somebody who starts a run waits to hear that nobody works on it, and what is said then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from moose_lib.cli.session import Session
from moose_lib.cli.starting import Wanted, idleness
from moose_lib.operations import workers
from moose_lib.operations.connecting import Client
from moose_lib.operations.records import Poller, StartedRun
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.project.settings import Settings

RUN = StartedRun(workflow="Nightly", workflow_id="Nightly-1", run_id="r1", ui_url=None)
PLAN = Plan(
    workflow="Nightly",
    start="a",
    tasks=(PlannedTask(name="a", after=(), source=Source(kind="nothing"), timeout=None, retries=0),),
)
SOMEBODY = (Poller(identity="moose-1@here", last_seen=datetime(2026, 11, 22, 12, tzinfo=UTC)),)


class Asked:
    """Workers that may be there, and that take nothing up unless told to."""

    def __init__(self, pollers: tuple[Poller, ...], *, is_taken: bool = False) -> None:
        self._pollers = pollers
        self._is_taken = is_taken
        self.waited: timedelta | None = None
        self.needs_plan: bool | None = None

    async def list_pollers(self, _: Client, __: str) -> tuple[Poller, ...]:
        return self._pollers

    async def is_taken_up(self, _: Client, __: StartedRun, *, needs_plan: bool, within: timedelta) -> bool:
        self.needs_plan, self.waited = needs_plan, within
        return self._is_taken


async def told(asked: Asked, root: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan | None = PLAN) -> str | None:
    monkeypatch.setattr(workers, "list_pollers", asked.list_pollers)
    monkeypatch.setattr(workers, "is_taken_up", asked.is_taken_up)
    session = Session(settings=Settings(root=root), project=None)
    wanted = Wanted(session=session, name="Nightly", plan=plan, data=None, workflow_id=None)
    return await idleness(cast("Client", None), RUN, wanted)  # nobody asks it


async def test_where_nobody_works_a_second_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(())

    assert await told(asked, tmp_path, monkeypatch) == (
        "no worker has taken the run yet: nobody works for task queue 'moose'"
    )
    assert (asked.waited, asked.needs_plan) == (timedelta(seconds=1), False)


async def test_where_somebody_worked_lately_it_is_known_within_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(SOMEBODY)

    assert await told(asked, tmp_path, monkeypatch) == (
        "no worker has taken the run yet, though some have worked for task queue 'moose' lately"
    )
    assert asked.waited == timedelta(seconds=4)


async def test_a_workflow_that_only_a_worker_can_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else than its plan shows that one does."""
    asked = Asked(SOMEBODY)

    assert await told(asked, tmp_path, monkeypatch, plan=None) == (
        "no worker so far knows a workflow named 'Nightly'; the run waits for one"
    )
    assert asked.needs_plan


async def test_a_run_that_is_taken_up_is_not_talked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told(Asked((), is_taken=True), tmp_path, monkeypatch) is None
