"""The times of a schedule, asked of the server: no library agrees with it, least of all when clocks change."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from temporalio.api.schedule.v1 import Schedule, ScheduleAction, ScheduleSpec, ScheduleState
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    ListScheduleMatchingTimesRequest,
)
from temporalio.client import Client

from moose_lib.operations.schedule_protos import as_time, request_id, timestamp

__all__ = ["TRIAL", "lead_of", "next_times", "time_before", "times_between", "trial_schedule", "without_jitter"]

#: How the ids of schedules begin that only ask for times.
TRIAL = "moose-trial-"
#: The server tells this many times at once, and no more.
_MOST_AT_ONCE = 1000
_INSTANT = timedelta(milliseconds=1)
_NO_TIME = timedelta()
#: The hour that comes twice, the time after it in which the server leaves out some, and one more.
_CLOCKS_GO_BACK = timedelta(hours=4)
#: How far ahead is looked for the next times: as short as it may be, as the server works out every one of them.
_HORIZONS = (timedelta(hours=1), timedelta(days=2), timedelta(days=40), timedelta(days=400), timedelta(days=3700))


def lead_of(spec: ScheduleSpec) -> timedelta:
    """Return how much earlier than a moment the server has to be asked, so that it tells all times after it.

    It looks for declared times after the one it is asked about, and adds jitter to what it finds: a time that was
    declared before the moment is found from earlier on alone. And while a local hour comes twice, and for a while
    after, what it answers to a cron depends on where it begins; what it does, it does from long before.
    """
    is_by_clock = bool(spec.cron_string or spec.calendar or spec.structured_calendar)
    has_clocks = is_by_clock and spec.timezone_name not in ("", "UTC")
    return spec.jitter.ToTimedelta() + (_CLOCKS_GO_BACK if has_clocks else timedelta())


async def next_times(
    client: Client, schedule: str, count: int, *, after: datetime | None = None, lead: timedelta = _NO_TIME
) -> tuple[datetime, ...]:
    """Return the next `count` times of a schedule (its id), also if it is paused; fewer if there are no more.

    With jitter these are the times at which it really starts. `lead` is `lead_of` its spec.
    """
    start = datetime.now(UTC) if after is None else after
    found = list[datetime]()
    for horizon in _HORIZONS:
        found = await times_between(client, schedule, start, start + horizon, count, lead)
        if len(found) >= count:
            break
    return tuple(found)


async def times_between(
    client: Client,
    schedule: str,
    start: datetime,
    end: datetime,
    most: int | None = None,
    lead: timedelta = _NO_TIME,
) -> list[datetime]:
    """Return the times of a schedule after `start` up to and including `end`, at most `most`; see `lead_of`."""
    found, position = list[datetime](), start - lead
    while most is None or len(found) < most:
        request = ListScheduleMatchingTimesRequest(
            namespace=client.namespace,
            schedule_id=schedule,
            start_time=timestamp(position),
            end_time=timestamp(end),
        )
        answer = await client.workflow_service.list_schedule_matching_times(request, retry=True)
        times = [as_time(time) for time in answer.start_time]
        found += [time for time in times if time > start]
        if len(times) < _MOST_AT_ONCE:
            break
        position = times[-1]
    return found[:most]


async def time_before(client: Client, schedule: str, spec: ScheduleSpec, moment: datetime) -> datetime:
    """Return a time from which on `moment` is the first one of a schedule: that of the run before it, mostly.

    That run may be declared before `start` and still come after it. The server finds it or not, by what it has been
    asked before, so it is looked for from earlier on.
    """
    lead = lead_of(spec)
    start = moment - lead - _INSTANT
    earlier = (await times_between(client, schedule, start, moment, lead=lead))[:-1]
    return earlier[-1] if earlier else start


def without_jitter(spec: ScheduleSpec) -> ScheduleSpec:
    """Return the same times as they were declared."""
    plain = ScheduleSpec()
    plain.CopyFrom(spec)
    plain.ClearField("jitter")
    return plain


@asynccontextmanager
async def trial_schedule(client: Client, spec: ScheduleSpec) -> AsyncGenerator[str]:
    """Make a schedule that never fires, to ask for the times of a spec; its id. It is gone afterwards.

    One that a killed process leaves behind does nothing, and Temporal forgets it after a week.
    """
    identity = f"{TRIAL}{secrets.token_hex(8)}"
    start = NewWorkflowExecutionInfo(workflow_id=identity, task_queue=TaskQueue(name="moose-trial"))
    start.workflow_type.name = "moose"
    schedule = Schedule(
        spec=spec,
        action=ScheduleAction(start_workflow=start),
        state=ScheduleState(paused=True, limited_actions=True, notes="a trial, to ask for times"),
    )
    await client.workflow_service.create_schedule(
        CreateScheduleRequest(
            namespace=client.namespace, schedule_id=identity, schedule=schedule, request_id=request_id()
        )
    )
    try:
        yield identity
    finally:
        await client.workflow_service.delete_schedule(
            DeleteScheduleRequest(namespace=client.namespace, schedule_id=identity), retry=True
        )
