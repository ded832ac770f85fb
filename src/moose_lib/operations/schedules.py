"""The verbs on one schedule of the server, and the list of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from temporalio.api.schedule.v1 import SchedulePatch
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    PatchScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.errors import RunNotSeen, ScheduleNotFound
from moose_lib.operations.schedule_protos import (
    as_time,
    hand_changes,
    mark_of,
    overlap_number,
    read_record,
    read_schedule,
    request_id,
    timestamp,
)
from moose_lib.operations.schedule_records import DeployedSchedule, ScheduledAction, schedule_id
from moose_lib.operations.slots import TRIAL, lead_of, next_times

__all__ = [
    "ForeignSchedule",
    "coming_times",
    "describe_ours",
    "describe_schedule",
    "find_schedule",
    "list_schedules",
    "marked",
    "patch_schedule",
    "pause_schedule",
    "read_answer",
    "schedule_ids",
    "trigger_schedule",
    "unpause_schedule",
]

#: How many schedules are asked for at a time.
_AT_ONCE = 10
#: How often a triggered run is looked for, and the seconds in between.
_LOOKS, _PAUSE = 50, 0.1
#: How often it is looked for where another trigger's run has its id already.
_LOOKS_BESIDE = 10


class ForeignSchedule(ScheduleNotFound):
    """The id of a workflow's schedule is taken by one that no project has deployed."""


async def read_answer(client: Client, workflow: str) -> DescribeScheduleResponse | None:
    """Return what the server knows of a workflow's schedule; None if it has none."""
    request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id(workflow))
    try:
        return await client.workflow_service.describe_schedule(request, retry=True)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def find_schedule(client: Client, workflow: str) -> DeployedSchedule | None:
    """Return the schedule of a workflow, whoever made it; None if there is none."""
    answer = await read_answer(client, workflow)
    if answer is None:
        return None
    record = await read_record(client, answer)
    drifted = () if record is None else hand_changes(workflow, answer.schedule, record)
    times = await coming_times(client, workflow, answer)
    found = read_schedule(answer, record, drifted=drifted, next_times=times)
    return found if record is None else replace(found, workflow=workflow)


async def coming_times(client: Client, workflow: str, answer: DescribeScheduleResponse) -> tuple[datetime, ...]:
    """Return the next times of a schedule.

    Those in the answer are of when the server last looked at it: after it was down, they may have passed.
    """
    told, now = [as_time(time) for time in answer.info.future_action_times], datetime.now(UTC)
    left = tuple(time for time in told if time > now)
    if left or not told:
        return left
    return await next_times(client, schedule_id(workflow), len(told), lead=lead_of(answer.schedule.spec))


async def describe_schedule(client: Client, workflow: str) -> DeployedSchedule:
    """Return the schedule of a workflow.

    Raises:
        ScheduleNotFound: the server has none.
    """
    found = await find_schedule(client, workflow)
    if found is None:
        raise _not_found(workflow)
    return found


async def describe_ours(client: Client, workflow: str) -> DeployedSchedule:
    """Return the schedule of a workflow, to do something with it.

    Raises:
        ScheduleNotFound: the server has none.
        ForeignSchedule: it was not made by moose-cli.
    """
    found = await describe_schedule(client, workflow)
    if found.declared is None:
        identity = schedule_id(workflow)
        raise ForeignSchedule(
            f"the schedule {identity!r} was not made by moose-cli: it starts {found.workflow!r}",
            hint=f"if nobody needs it: temporal schedule delete --schedule-id {identity} && moose-cli deploy",
        )
    return found


async def list_schedules(client: Client) -> tuple[DeployedSchedule, ...]:
    """Return all schedules that projects have deployed in this namespace, by workflow."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def look(workflow: str) -> DeployedSchedule | None:
        async with places:
            return await find_schedule(client, workflow)

    found = await asyncio.gather(*[look(name) async for name in marked(client)])
    return tuple(sorted((it for it in found if it is not None), key=lambda it: it.workflow))


async def schedule_ids(client: Client) -> tuple[str, ...]:
    """Return the ids of all schedules of the namespace, whoever made them, without those that only ask for times."""
    ids = [entry.id async for entry in await client.list_schedules()]
    return tuple(sorted(it for it in ids if not it.startswith(TRIAL)))


async def marked(client: Client) -> AsyncIterator[str]:
    """Yield the workflows whose schedules are marked as ours; the server's list may be a moment behind."""
    async for entry in await client.list_schedules():
        workflow = entry.id.removeprefix(schedule_id(""))
        if mark_of(entry.raw_entry.memo) and entry.id == schedule_id(workflow):
            yield workflow


async def pause_schedule(client: Client, workflow: str, note: str) -> DeployedSchedule:
    """Let nothing fire until somebody unpauses it; answers what was before. Raises ScheduleNotFound."""
    before = await describe_ours(client, workflow)
    await patch_schedule(client, workflow, SchedulePatch(pause=note))
    return before


async def unpause_schedule(client: Client, workflow: str, note: str) -> None:
    """Let it fire again; times that passed meanwhile are not caught up. Raises ScheduleNotFound."""
    await describe_ours(client, workflow)
    await patch_schedule(client, workflow, SchedulePatch(unpause=note))


async def trigger_schedule(client: Client, workflow: str, overlap: str | None = None) -> ScheduledAction | None:
    """Let the schedule fire now, also if it is paused; return the run.

    A run's id has whole seconds, and the server has one open run for each: of several triggers in the same second, one
    starts it, and to the others it says nothing. They are answered that run, as shared. None: there is no new run,
    because an earlier one is open and the schedule's overlap (or `overlap`) says so.

    Raises:
        ScheduleNotFound: the server has none.
        RunNotSeen: the server has not got to it so far.
    """
    before = now = await describe_ours(client, workflow)
    moment, patch = _moment(), SchedulePatch()
    patch.trigger_immediately.scheduled_time.CopyFrom(timestamp(moment))
    if overlap is not None:
        patch.trigger_immediately.overlap_policy = overlap_number(overlap)
    await patch_schedule(client, workflow, patch)
    looks_beside = 0
    for _ in range(_LOOKS):
        now = await describe_schedule(client, workflow)
        action = _action_at(moment, now)
        looks_beside += action is not None
        if action is not None and (not action.is_shared or looks_beside == _LOOKS_BESIDE):
            return action
        if now.skipped > before.skipped:
            return None
        await asyncio.sleep(_PAUSE)  # there is no event for it
    if now.started > before.started and now.recent[-1:] and now.recent[-1].scheduled >= moment:
        return now.recent[-1]  # an old server takes its own moment
    if now.open_runs and now.waiting > before.waiting:
        return None
    hint = f"moose-cli schedule describe {workflow}"
    raise RunNotSeen(f"the schedule of {workflow!r} was told to fire, and no run of it is to be seen yet", hint=hint)


def _moment() -> datetime:
    """By this a trigger's run is known from those of others."""
    return datetime.now(UTC)


def _action_at(moment: datetime, found: DeployedSchedule) -> ScheduledAction | None:
    """The run of a trigger, or else the one that has its id because it is of the same second."""
    beside: ScheduledAction | None = None
    for action in found.recent:
        if action.scheduled == moment:
            return action
        if action.scheduled.replace(microsecond=0) == moment.replace(microsecond=0):
            beside = replace(action, is_shared=True)
    return beside


async def patch_schedule(client: Client, workflow: str, patch: SchedulePatch, request: str | None = None) -> None:
    """Ask something of a schedule; a `request` that was made before counts once.

    Raises:
        ScheduleNotFound: the server has none.
    """
    message = PatchScheduleRequest(
        namespace=client.namespace,
        schedule_id=schedule_id(workflow),
        patch=patch,
        request_id=request or request_id(),
        identity=client.identity,
    )
    try:
        await client.workflow_service.patch_schedule(message, retry=True)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise _not_found(workflow) from error
        raise


def _not_found(workflow: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"workflow {workflow!r} has no schedule on the server", hint="moose-cli schedule list")
