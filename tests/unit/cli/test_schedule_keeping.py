"""What a worker says of the schedules that it brings to the server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import pytest

from moose_lib.cli import schedule_keeping
from moose_lib.cli.schedule_keeping import bring_schedules
from moose_lib.errors import MooseError
from moose_lib.operations.schedule_records import Change, ChangeKind
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.schedule import PlannedSchedule
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client

DAILY = PlannedSchedule(text="@daily", crons=("0 0 * * *",), timezone="UTC")
TASK = PlannedTask(name="a", source=Source(kind="nothing"), timeout=None, retries=0)
NOBODY = cast("Client", None)  # the server that refuses is stood in for


def loaded(folder: Path, schedule: PlannedSchedule | None) -> LoadedProject:
    plan = Plan(workflow="Nightly", start="a", tasks=(TASK,), schedule=schedule)
    project = Project(root=folder, entry=folder / "main.py", settings=Settings(root=folder), is_single_file=True)
    return LoadedProject(project=project, workflows={}, plans=MappingProxyType({"Nightly": plan}))


@pytest.mark.parametrize(
    ("is_declared_paused", "is_paused", "said"),
    [
        (False, False, "@daily, next 2026-11-27 00:00:00 +00:00"),
        (False, True, "@daily, paused"),
        (True, True, "@daily, paused"),
        (True, False, "@daily, paused, next 2026-11-27 00:00:00 +00:00"),  # somebody has unpaused it
    ],
)
async def test_the_banner_says_once_that_a_schedule_is_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_declared_paused: bool, is_paused: bool, said: str
) -> None:
    """Declared so, or by hand."""
    schedule = DAILY.model_copy(update={"paused": is_declared_paused})

    async def reconcile(*_: object, **__: object) -> list[Change]:
        next_time = datetime(2026, 11, 27, tzinfo=UTC)
        return [
            Change(
                kind=ChangeKind.ADDED, workflow="Nightly", schedule=schedule, next_time=next_time, is_paused=is_paused
            )
        ]

    monkeypatch.setattr(schedule_keeping, "reconcile", reconcile)

    brought = await bring_schedules(NOBODY, loaded(tmp_path, schedule))

    assert brought.schedules == {"Nightly": said}


@pytest.mark.parametrize("schedule", [DAILY, None])
async def test_a_server_that_refuses_does_not_keep_a_worker_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: PlannedSchedule | None
) -> None:
    """It is said, where there is a schedule that somebody may wait for."""

    async def refuse(*_: object, **__: object) -> None:
        raise MooseError("Temporal at t:7233 refused: no such right (permission_denied)")

    monkeypatch.setattr(schedule_keeping, "reconcile", refuse)

    brought = await bring_schedules(NOBODY, loaded(tmp_path, schedule))

    note = "schedules are not deployed: Temporal at t:7233 refused: no such right (permission_denied)"
    assert brought.notes == (() if schedule is None else (note,))
    assert brought.schedules == ({} if schedule is None else {"Nightly": "@daily"})
    assert brought.line is None
