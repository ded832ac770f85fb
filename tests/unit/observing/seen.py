"""What tests let an observer see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from moose_lib.observing.observer import AttemptSeen, RunSeen, TaskSeen

START = datetime(2027, 1, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def run(
    workflow: str = "Orders",
    *,
    run_id: str = "r1",
    first_run_id: str = "r1",
    attempt: int = 1,
    scheduled_time: datetime | None = None,
    resumed_from: str | None = None,
) -> RunSeen:
    return RunSeen(
        workflow=workflow,
        workflow_id=f"{workflow}-1",
        run_id=run_id,
        first_run_id=first_run_id,
        attempt=attempt,
        started=START,
        scheduled_time=scheduled_time,
        resumed_from=resumed_from,
    )


def task(name: str = "charge", *, of: RunSeen | None = None, turn: int = 1) -> TaskSeen:
    return TaskSeen(run=run() if of is None else of, name=name, turn=turn, started=START)


def attempt(
    name: str = "charge", *, workflow: str = "Orders", number: int = 1, losses: int = 0, waited: timedelta = SECOND
) -> AttemptSeen:
    return AttemptSeen(
        workflow=workflow,
        workflow_id=f"{workflow}-1",
        run_id="r1",
        first_run_id="r1",
        task=name,
        turn=1,
        number=number,
        handed_out=number + losses,
        losses=losses,
        waited=waited,
    )
