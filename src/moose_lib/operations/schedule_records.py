"""What the verbs on schedules answer: frozen, and free of Temporal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from moose_lib.plan.schedule import PlannedSchedule

__all__ = ["Change", "ChangeKind", "DeployedSchedule", "Owner", "ScheduledAction", "Slot", "SlotState", "schedule_id"]


def schedule_id(workflow: str) -> str:
    """Return the id of a workflow's schedule in Temporal."""
    return f"moose-{workflow}"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who declares schedules: a project, whose workers work for a queue."""

    project: str
    task_queue: str


@dataclass(frozen=True, kw_only=True)
class ScheduledAction:
    """A run that a schedule has started: for which time, when really, and which run that is.

    `slot` is the time that the run stands for; `scheduled` is later by the jitter. `is_shared`: whoever asked for a
    run got this one, which another trigger of the same second has started.
    """

    scheduled: datetime
    slot: datetime
    started: datetime
    workflow_id: str
    run_id: str
    is_shared: bool = False


@dataclass(frozen=True, kw_only=True)
class DeployedSchedule:
    """A schedule as the server has it.

    `declared` and `owner` are what the project said that deployed it; `None` if it was made by somebody else.
    `missed` and `skipped` count times that passed while the server was down, and while an earlier run was open;
    `waiting` are the runs that start when it has ended. `drifted` names what somebody has changed by hand since.
    """

    workflow: str
    declared: PlannedSchedule | None
    owner: Owner | None
    task_queue: str
    is_paused: bool
    note: str
    next_times: tuple[datetime, ...]
    recent: tuple[ScheduledAction, ...]
    open_runs: tuple[str, ...]
    created: datetime
    updated: datetime | None
    started: int
    missed: int
    skipped: int
    waiting: int
    drifted: tuple[str, ...] = ()


class ChangeKind(StrEnum):
    """What reconciling did, or would do, with one schedule.

    `LEFT`: it is this project's, no longer declared, and whoever asked does not remove. `FOREIGN`: its id is taken by a
    schedule that is not this project's.
    """

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    LEFT = "left"
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One schedule and what reconciling did with it; `reasons` says why, in a few words each.

    `owner` is whose it is, where it is another project's.
    """

    kind: ChangeKind
    workflow: str
    schedule: PlannedSchedule | None = None
    reasons: tuple[str, ...] = ()
    next_time: datetime | None = None
    is_paused: bool = False
    owner: Owner | None = None

    def __str__(self) -> str:
        """`Nightly changed (0 1 * * *)`."""
        said = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return f"{self.workflow} {self.kind}{said}"


class SlotState(StrEnum):
    """Whether a time of a schedule has had its run, as far as Temporal remembers."""

    RAN = "ran"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One time of a schedule that has passed; `run_state` is that of its run, `None` if it had none."""

    time: datetime
    workflow_id: str
    state: SlotState
    run_state: str | None = None
