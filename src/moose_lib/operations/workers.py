"""Who works for a task queue."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from moose_lib.operations.events import CancelRequested, PickedUp, Planned, RunClosed
from moose_lib.operations.reading import read_events
from moose_lib.operations.records import Poller, RunSummary, StartedRun

__all__ = ["is_cancel_heard", "is_taken_up", "list_pollers"]


async def list_pollers(client: Client, task_queue: str) -> tuple[Poller, ...]:
    """Return the workers that asked this queue for work within the last minutes, the newest first.

    A worker that was killed stays in the list for up to five minutes: an empty list means nobody for sure.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    pollers = [
        Poller(identity=poller.identity, last_seen=poller.last_access_time.ToDatetime(tzinfo=UTC))
        for poller in answer.pollers
    ]
    return tuple(sorted(pollers, key=lambda poller: poller.last_seen, reverse=True))


async def is_taken_up(client: Client, run: StartedRun, *, needs_plan: bool = False, within: timedelta) -> bool:
    """Tell whether a worker takes a new run up within a time; the only proof that somebody works for its queue.

    With `needs_plan`, only a worker that knows the workflow counts.
    """
    proof = (Planned, RunClosed) if needs_plan else (PickedUp, RunClosed)
    with suppress(TimeoutError):
        async with asyncio.timeout(within.total_seconds()):
            async for event in read_events(client, run.workflow_id, run.run_id, wait=True):
                if isinstance(event, proof):
                    return True
    return False


async def is_cancel_heard(client: Client, run: RunSummary, *, within: timedelta) -> bool:
    """Tell whether a worker takes a run up, within a time, after it was asked to stop."""
    is_asked = False
    with suppress(TimeoutError):
        async with asyncio.timeout(within.total_seconds()):
            async for event in read_events(client, run.workflow_id, run.run_id, wait=True):
                if isinstance(event, RunClosed) or (is_asked and isinstance(event, PickedUp)):
                    return True
                is_asked = is_asked or isinstance(event, CancelRequested)
    return False
