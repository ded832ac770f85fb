"""When declared schedules fire next, for commands that show them beside other things and need no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from moose_lib.errors import MooseError

if TYPE_CHECKING:
    from moose_lib.cli.session import Session
    from moose_lib.operations.connecting import Client
    from moose_lib.plan.model import Plan

__all__ = ["NextFire", "ask_next_fires", "next_fires"]


@dataclass(frozen=True, kw_only=True)
class NextFire:
    """`state` is that of `schedule list`; `time` is None where nothing fires."""

    state: str
    time: datetime | None
    zone: str

    def __str__(self) -> str:
        """`2027-03-29 02:30:00 +02:00`, or why there is none."""
        from moose_lib.cli.schedule_text import zone_text

        if self.time is None:
            return "never" if self.state == "active" else self.state
        return zone_text(self.time, self.zone)


def next_fires(session: Session, plans: Iterable[Plan]) -> Mapping[str, NextFire]:
    """Ask the server about those that have a schedule; nothing is known if none answers."""
    scheduled = [plan for plan in plans if plan.schedule is not None]
    if not scheduled:
        return {}
    try:
        return session.run(lambda client: ask_next_fires(client, session, scheduled))
    except MooseError:  # whatever keeps us from asking: what is declared is shown all the same
        return {}


async def ask_next_fires(client: Client, session: Session, plans: Iterable[Plan]) -> Mapping[str, NextFire]:
    """Ask the server about plans that have a schedule."""
    from moose_lib.cli.schedule_text import state_of
    from moose_lib.operations.schedules import find_schedule

    found: dict[str, NextFire] = {}
    for plan in plans:
        assert plan.schedule is not None, "only these are asked for"
        there = await find_schedule(client, plan.workflow)
        state = state_of(plan.schedule, there, project=None if session.project is None else session.project.name)
        times = () if there is None or there.is_paused or state == "foreign" else there.next_times
        found[plan.workflow] = NextFire(state=state, time=times[0] if times else None, zone=plan.schedule.timezone)
    return found
