"""What is said of schedules as long as nothing but a run by hand starts a workflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moose_lib.plan.model import Plan

__all__ = ["schedule_note", "schedules_of"]


def schedules_of(plans: Iterable[Plan]) -> dict[str, str]:
    """Return the schedule of each workflow that has one."""
    return {plan.workflow: plan.schedule.text for plan in plans if plan.schedule is not None}


def schedule_note(schedules: Mapping[str, str]) -> str | None:
    """Say that these do not fire, if there are any."""
    if not schedules:
        return None
    named = ", ".join(f"{name} ({schedules[name]})" for name in sorted(schedules))
    return f"schedules are checked but do not fire in this version: {named}"
