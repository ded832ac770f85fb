"""What a worker says of the schedules that it brings to the server."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import pytest

from moose_lib.cli import schedule_keeping
from moose_lib.cli.schedule_keeping import bring_schedules
from moose_lib.errors import MooseError
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.schedule import PlannedSchedule
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client

DAILY = PlannedSchedule(text="@daily", crons=("0 0 * * *",), timezone="UTC")
TASK = PlannedTask(name="a", source=Source(kind="nothing"), timeout=None, retries=0)
NOBODY = cast("Client", None)  # the server that refuses is stood in for


@pytest.mark.parametrize("schedule", [DAILY, None])
async def test_a_server_that_refuses_does_not_keep_a_worker_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: PlannedSchedule | None
) -> None:
    """It is said, where there is a schedule that somebody may wait for."""

    async def refuse(*_: object, **__: object) -> None:
        raise MooseError("Temporal at t:7233 refused: no such right (permission_denied)")

    monkeypatch.setattr(schedule_keeping, "reconcile", refuse)
    plan = Plan(workflow="Nightly", start="a", tasks=(TASK,), schedule=schedule)
    project = Project(root=tmp_path, entry=tmp_path / "main.py", settings=Settings(root=tmp_path), is_single_file=True)
    loaded = LoadedProject(project=project, workflows={}, plans=MappingProxyType({"Nightly": plan}))

    brought = await bring_schedules(NOBODY, loaded)

    note = "schedules are not deployed: Temporal at t:7233 refused: no such right (permission_denied)"
    assert brought.notes == (() if schedule is None else (note,))
    assert brought.schedules == ({} if schedule is None else {"Nightly": "@daily"})
    assert brought.line is None
