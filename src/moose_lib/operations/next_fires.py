"""When declared schedules fire next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client

from moose_lib.operations.schedule_rows import schedule_row
from moose_lib.operations.schedules import find_schedule
from moose_lib.plan.model import Plan

__all__ = ["NextFire", "ask_next_fires"]


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
        row = schedule_row(plan.workflow, plan.schedule, there, project=project)
        found[plan.workflow] = NextFire(state=row.state, time=row.next_time, zone=plan.schedule.timezone)
    return found
