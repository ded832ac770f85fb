"""When declared schedules fire next, and how each of them stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client

from moose_lib.operations.schedule_records import DeployedSchedule
from moose_lib.operations.schedules import find_schedule
from moose_lib.plan.model import Plan
from moose_lib.plan.schedule import PlannedSchedule

__all__ = ["NextFire", "ask_next_fires", "state_of"]


@dataclass(frozen=True, kw_only=True)
class NextFire:
    """`state` is that of `schedule list`; `time` is None where nothing fires."""

    state: str
    time: datetime | None
    zone: str


async def ask_next_fires(client: Client, plans: Iterable[Plan], *, project: str | None) -> Mapping[str, NextFire]:
    """Ask the server about plans of a project that have a schedule."""
    found: dict[str, NextFire] = {}
    for plan in plans:
        assert plan.schedule is not None, "only these are asked for"
        there = await find_schedule(client, plan.workflow)
        state = state_of(plan.schedule, there, project=project)
        times = () if there is None or there.is_paused or state == "foreign" else there.next_times
        found[plan.workflow] = NextFire(state=state, time=times[0] if times else None, zone=plan.schedule.timezone)
    return found


def state_of(declared: PlannedSchedule | None, there: DeployedSchedule | None, *, project: str | None) -> str:
    """`active`, `paused`, `not deployed`, `differs` (from the declaration), `not declared`, or `foreign`.

    `foreign` is what was not made by moose-cli, or belongs to another project than `project`.
    """
    if there is None:
        return "not deployed"
    if there.declared is None or there.owner is None or project not in (None, there.owner.project):
        return "foreign"
    if project is not None and declared is None:
        return "not declared"
    if there.drifted or (project is not None and declared != there.declared):
        return "differs"
    return "paused" if there.is_paused else "active"
