"""Who works for a task queue."""

from __future__ import annotations

from datetime import timezone

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from moose_lib.operations.records import Poller

__all__ = ["list_pollers"]


async def list_pollers(client: Client, task_queue: str) -> tuple[Poller, ...]:
    """Return the workers that asked this queue for work within the last minutes, the newest first.

    A worker that was killed stays in the list for up to five minutes: an empty list means nobody, a full one may mean it.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    pollers = [
        Poller(identity=poller.identity, last_seen=poller.last_access_time.ToDatetime(tzinfo=timezone.utc))
        for poller in answer.pollers
    ]
    return tuple(sorted(pollers, key=lambda poller: poller.last_seen, reverse=True))
