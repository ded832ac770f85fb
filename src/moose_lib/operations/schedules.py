"""The verbs on one schedule of the server, and the list of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from temporalio.api.schedule.v1 import SchedulePatch
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    PatchScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.errors import RunNotSeen, ScheduleNotFound
from moose_lib.operations.schedule_protos import mark_of, overlap_number, read_record, read_schedule, request_id
from moose_lib.operations.schedule_records import DeployedSchedule, ScheduledAction, schedule_id

__all__ = [
    "describe_schedule",
    "find_schedule",
    "list_schedules",
    "marked",
    "patch_schedule",
    "pause_schedule",
    "read_answer",
    "trigger_schedule",
    "unpause_schedule",
]

#: How many schedules are asked for at a time.
_AT_ONCE = 10
#: How often a triggered run is looked for, and the seconds in between.
_LOOKS, _PAUSE = 50, 0.1


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
    return None if answer is None else read_schedule(answer, await read_record(client, answer))


async def describe_schedule(client: Client, workflow: str) -> DeployedSchedule:
    """Return the schedule of a workflow.

    Raises:
        ScheduleNotFound: the server has none.
    """
    found = await find_schedule(client, workflow)
    if found is None:
        raise _not_found(workflow)
    return found


async def list_schedules(client: Client) -> tuple[DeployedSchedule, ...]:
    """Return all schedules that projects have deployed in this namespace, by workflow."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def look(workflow: str) -> DeployedSchedule | None:
        async with places:
            return await find_schedule(client, workflow)

    found = await asyncio.gather(*[look(name) async for name in marked(client)])
    return tuple(sorted((it for it in found if it is not None), key=lambda it: it.workflow))


async def marked(client: Client) -> AsyncIterator[str]:
    """Yield the workflows whose schedules are marked as ours; the server's list may be a moment behind."""
    async for entry in await client.list_schedules():
        workflow = entry.id.removeprefix(schedule_id(""))
        if mark_of(entry.raw_entry.memo) and entry.id == schedule_id(workflow):
            yield workflow


async def pause_schedule(client: Client, workflow: str, note: str) -> None:
    """Let nothing fire until somebody unpauses it; raises ScheduleNotFound."""
    await patch_schedule(client, workflow, SchedulePatch(pause=note))


async def unpause_schedule(client: Client, workflow: str, note: str) -> None:
    """Let it fire again; times that passed meanwhile are not caught up. Raises ScheduleNotFound."""
    await patch_schedule(client, workflow, SchedulePatch(unpause=note))


async def trigger_schedule(client: Client, workflow: str, overlap: str | None = None) -> ScheduledAction | None:
    """Let the schedule fire now, also if it is paused; return the run.

    None: there is no new run, because an earlier one is open and the schedule's overlap (or `overlap`) says so.

    Raises:
        ScheduleNotFound: the server has none.
        RunNotSeen: the server has not got to it so far.
    """
    before = now = await describe_schedule(client, workflow)
    patch = SchedulePatch()
    patch.trigger_immediately.SetInParent()
    if overlap is not None:
        patch.trigger_immediately.overlap_policy = overlap_number(overlap)
    await patch_schedule(client, workflow, patch)
    for _ in range(_LOOKS):
        now = await describe_schedule(client, workflow)
        if now.started > before.started and now.recent:
            return now.recent[-1]
        if now.skipped > before.skipped:
            return None
        await asyncio.sleep(_PAUSE)  # there is no event for it
    if now.open_runs and now.waiting > before.waiting:
        return None
    hint = f"moose-cli schedule describe {workflow}"
    raise RunNotSeen(f"the schedule of {workflow!r} was told to fire, and no run of it is to be seen yet", hint=hint)


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
