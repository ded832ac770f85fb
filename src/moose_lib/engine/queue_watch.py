"""Asks Temporal every few seconds how the task queue is, for an observer."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final, Literal

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from moose_lib.observing.observer import Observer, QueueSeen, TemporalSilent

_logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(seconds=5)
_PATIENCE: Final = timedelta(seconds=3)
_KINDS: Final[dict[Literal["run", "task"], TaskQueueType.ValueType]] = {
    "run": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "task": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}


async def watch_queue(client: Client, task_queue: str, observer: Observer) -> None:
    """Tell `observer` how the queue is, until cancelled."""
    while True:
        for kind in _KINDS:
            try:
                observer.see(await _ask(client, task_queue, kind))
            except RPCError as error:
                _logger.debug("Temporal does not say how task queue %r is: %s", task_queue, error)
                observer.see(TemporalSilent())
                break
        await asyncio.sleep(INTERVAL.total_seconds())


async def _ask(client: Client, task_queue: str, kind: Literal["run", "task"]) -> QueueSeen:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=_KINDS[kind],
        report_stats=True,
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=_PATIENCE)
    return QueueSeen(
        kind=kind,
        backlog=answer.stats.approximate_backlog_count,
        backlog_age=answer.stats.approximate_backlog_age.ToTimedelta(),
        pollers=len(answer.pollers),
    )
