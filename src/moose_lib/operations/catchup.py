"""`catchup="last"`: the newest of the times that passed while the server was down gets its run.

Temporal itself can only catch up all times within a window, under the schedule's overlap rule: with "skip" that is the
oldest one, not the newest. So the server is told to catch up nothing, counts what it has missed, and a worker that sees
the count grow asks for a run of the last time. Workers that see it together ask with the same request id, which counts
once. What has been attended to is written down in the schedule.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from temporalio.api.schedule.v1 import BackfillRequest, SchedulePatch
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.client import Client
from temporalio.service import RPCError

from moose_lib.errors import MooseError
from moose_lib.operations.reconcile import write_record
from moose_lib.operations.schedule_protos import Record, as_time, read_record, timestamp
from moose_lib.operations.schedule_records import schedule_id
from moose_lib.operations.schedules import patch_schedule, read_answer
from moose_lib.operations.slots import time_before, times_between

__all__ = ["catch_up", "keep_caught_up"]

_logger = logging.getLogger(__name__)

#: The server starts what is later than this by itself, see `_SHORTEST_WINDOW`.
_LATE = timedelta(seconds=10)
#: When to look: soon after the start of a worker or a loss of the server, which has to count first; then now and then.
_SOON = (0.0, 3.0, 7.0, 20.0)
_SECONDS_BETWEEN = 60.0
_BACK = (timedelta(hours=1), timedelta(days=2), timedelta(days=40), timedelta(days=400))
_INSTANT = timedelta(milliseconds=1)


async def keep_caught_up(client: Client, project: str, workflows: tuple[str, ...]) -> None:
    """Look after a project's schedules with catchup="last", until cancelled."""
    pauses = list(_SOON)
    while workflows:
        await asyncio.sleep(pauses.pop(0) if pauses else _SECONDS_BETWEEN)
        try:
            for workflow in workflows:
                time = await catch_up(client, project, workflow)
                if time is not None:
                    _logger.info("catching up the last missed time of %s: %s", workflow, time.isoformat())
        except (RPCError, MooseError) as error:  # it is gone for now, or the schedule has just been removed
            _logger.debug("the server cannot be asked for missed times: %s", error)
            pauses = list(_SOON[1:])


async def catch_up(client: Client, project: str, workflow: str) -> datetime | None:
    """Run the last time that was missed, if there is one that nobody has attended to; return it.

    Another project's schedule is left to its own workers.
    """
    answer = await read_answer(client, workflow)
    record = None if answer is None else await read_record(client, answer)
    if answer is None or record is None or record.project != project:
        return None
    if answer.info.missed_catchup_window <= record.caught_up:
        return None
    is_wanted = record.schedule.catchup == "last" and not answer.schedule.state.paused
    time = await _last_missed(client, workflow, answer) if is_wanted else None
    if time is not None:
        first = await time_before(client, schedule_id(workflow), answer.schedule.spec, time) + _INSTANT
        patch = SchedulePatch(backfill_request=[BackfillRequest(start_time=timestamp(first), end_time=timestamp(time))])
        await patch_schedule(client, workflow, patch, request=f"moose-catch-up-{time.isoformat()}")
    await _note(client, workflow, record, answer.info.missed_catchup_window)
    return time


async def _last_missed(client: Client, workflow: str, answer: DescribeScheduleResponse) -> datetime | None:
    """The newest time that has passed, unless it had its run or the server still starts it by itself."""
    now = datetime.now(UTC)
    newest: datetime | None = None
    async for times in _backwards(client, workflow, now):
        newest = times[-1] if times else None
        if newest is not None:
            break
    if newest is None or newest > now - _LATE:
        return None
    since = as_time(answer.info.update_time if answer.info.HasField("update_time") else answer.info.create_time)
    has_run = any(as_time(action.schedule_time) >= newest for action in answer.info.recent_actions)
    return None if has_run or newest <= since else newest


async def _backwards(client: Client, workflow: str, now: datetime) -> AsyncIterator[list[datetime]]:
    """The times of the last hour, then of longer spans."""
    for back in _BACK:
        yield await times_between(client, schedule_id(workflow), now - back, now)


async def _note(client: Client, workflow: str, record: Record, missed: int) -> None:
    """Write down how much has been attended to. If somebody changes the schedule meanwhile, that counts as well."""
    answer = await read_answer(client, workflow)
    if answer is not None:
        await write_record(client, workflow, answer, record.model_copy(update={"caught_up": missed}))
