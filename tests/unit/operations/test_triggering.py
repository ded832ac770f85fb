"""A schedule that is told to fire, and what can be seen of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from temporalio.client import Client

from moose_lib.errors import RunNotSeen
from moose_lib.operations import schedules
from moose_lib.operations.schedule_records import DeployedSchedule, Owner, ScheduledAction
from moose_lib.plan.schedule import plan_schedule

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
ACTION = ScheduledAction(scheduled=NOW, slot=NOW, started=NOW, workflow_id="Nightly-scheduled-1", run_id="r1")
BEFORE = DeployedSchedule(
    workflow="Nightly",
    declared=plan_schedule("@daily", None),
    owner=Owner(project="shop", task_queue="moose"),
    task_queue="moose",
    is_paused=False,
    note="",
    next_times=(),
    recent=(),
    open_runs=("Nightly-scheduled-0",),
    created=NOW,
    updated=None,
    started=3,
    missed=0,
    skipped=1,
    waiting=1,
)


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> list[DeployedSchedule]:
    """What the server says of the schedule, one look after the other; the last one again and again."""
    found = [BEFORE]

    async def describe(*_: object) -> DeployedSchedule:
        return found.pop(0) if len(found) > 1 else found[0]

    async def patch(*_: object) -> None:
        """It is taken."""

    monkeypatch.setattr(schedules, "describe_schedule", describe)
    monkeypatch.setattr(schedules, "patch_schedule", patch)
    monkeypatch.setattr(schedules, "_PAUSE", 0)
    monkeypatch.setattr(schedules, "_moment", lambda: NOW)
    return found


async def trigger() -> ScheduledAction | None:
    return await schedules.trigger_schedule(cast("Client", None), "Nightly")  # nobody asks it


async def test_the_run_is_answered_as_soon_as_it_is_there(fired: list[DeployedSchedule]) -> None:
    fired += [BEFORE, replace(BEFORE, started=4, recent=(ACTION,))]

    assert await trigger() == ACTION


async def test_the_run_of_another_trigger_is_not_taken_for_its_own(fired: list[DeployedSchedule]) -> None:
    """Though it has come meanwhile, and is the newest."""
    other = replace(ACTION, scheduled=NOW - timedelta(seconds=3), run_id="r0")
    fired += [replace(BEFORE, started=4, recent=(other,)), replace(BEFORE, started=5, recent=(ACTION, other))]

    assert await trigger() == ACTION


async def test_a_trigger_that_the_server_drops_is_answered_the_run_that_has_its_second(
    fired: list[DeployedSchedule],
) -> None:
    """An own one may still come for some looks."""
    other = replace(ACTION, scheduled=NOW + timedelta(milliseconds=300))
    beside = replace(BEFORE, started=4, recent=(other,))

    fired += [beside, replace(BEFORE, started=5, recent=(other, ACTION))]
    assert await trigger() == ACTION

    fired[:] = [BEFORE, beside]
    assert await trigger() == replace(other, is_shared=True)


async def test_an_old_server_takes_its_own_moment(fired: list[DeployedSchedule]) -> None:
    late = replace(ACTION, scheduled=NOW + timedelta(seconds=2))
    fired.append(replace(BEFORE, started=4, recent=(late,)))

    assert await trigger() == late


@pytest.mark.parametrize("held", [{"skipped": 2}, {"waiting": 2}])
async def test_an_open_run_holds_it_back(fired: list[DeployedSchedule], held: dict[str, int]) -> None:
    """It is skipped, or starts when the open one has ended."""
    fired.append(replace(BEFORE, **held))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # counts

    assert await trigger() is None


@pytest.mark.parametrize("seen", [BEFORE, replace(BEFORE, open_runs=(), waiting=2)])
async def test_a_server_that_has_not_got_to_it_is_told_from_an_open_run(
    fired: list[DeployedSchedule], seen: DeployedSchedule
) -> None:
    """Though a run is open: whether it is in the way is not known."""
    fired.append(seen)
    with pytest.raises(RunNotSeen) as caught:
        await trigger()

    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == (
        "the schedule of 'Nightly' was told to fire, and no run of it is to be seen yet",
        "moose-cli schedule describe Nightly",
        124,
    )
