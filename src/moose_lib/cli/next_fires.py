"""When declared schedules fire next, for commands that show them beside other things and need no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from moose_lib.errors import MooseError

if TYPE_CHECKING:
    from moose_lib.cli.session import Session
    from moose_lib.operations.next_fires import NextFire
    from moose_lib.plan.model import Plan

__all__ = ["fire_text", "next_fires"]


def next_fires(session: Session, plans: Iterable[Plan]) -> Mapping[str, NextFire]:
    """Ask the server about those that have a schedule; nothing is known if none answers."""
    scheduled = [plan for plan in plans if plan.schedule is not None]
    if not scheduled:
        return {}
    from moose_lib.operations.next_fires import ask_next_fires  # Temporal's client: a second that not all have to pay

    try:
        project = None if session.project is None else session.project.name
        return session.run(lambda client: ask_next_fires(client, scheduled, project=project))
    except MooseError:  # whatever keeps us from asking: what is declared is shown all the same
        return {}


def fire_text(fire: NextFire) -> str:
    """`2027-03-29 02:30:00 +02:00`, or why there is none."""
    from moose_lib.cli.schedule_text import zone_text

    if fire.time is None:
        return "never" if fire.state == "active" else fire.state
    return zone_text(fire.time, fire.zone)
