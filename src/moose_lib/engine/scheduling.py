"""How the interpreter hands a task to the workers: under which limits of Temporal's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

from moose_lib.engine import wire
from moose_lib.engine.summaries import task_summary
from moose_lib.plan.model import PlannedTask

#: Temporal wants some limit for every attempt; the worker keeps the task's own ones, and reports when one is over.
_NO_TIMEOUT: Final = timedelta(days=3650)
#: Until then a worker may stop the handler and run `on_cancel`; later the server ends the attempt.
_MARGIN: Final = timedelta(seconds=120)

#: How often a task is handed out again; how often it may fail is for its worker to say (attempts.py).
_HAND_OUT_AGAIN: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=10)
)


def start_task(
    workflow_name: str, task: PlannedTask, arguments: Iterable[RawValue]
) -> workflow.ActivityHandle[RawValue]:
    """Hand out a task with its limits."""
    return start_activity(
        wire.activity_type(workflow_name, task.name),
        arguments,
        name=task.name,
        summary=task_summary(task),
        timeout=_NO_TIMEOUT if task.timeout is None else min(task.timeout + _MARGIN, _NO_TIMEOUT),
        total=None if task.total_timeout is None else task.total_timeout + _MARGIN,
        queue=_shorter(task.queue_timeout, task.total_timeout),
    )


def start_activity(
    activity: str,
    arguments: Iterable[RawValue],
    *,
    name: str,
    summary: str | None = None,
    timeout: timedelta,
    total: timedelta | None = None,
    queue: timedelta | None = None,
) -> workflow.ActivityHandle[RawValue]:
    """Start an activity; `timeout` is for one attempt, `total` for all, `queue` for each wait for a worker."""
    return workflow.start_activity(
        activity,
        args=list(arguments),
        activity_id=name,
        summary=summary,
        result_type=RawValue,
        start_to_close_timeout=timeout,
        schedule_to_close_timeout=total,
        schedule_to_start_timeout=queue,
        heartbeat_timeout=wire.HEARTBEAT_TIMEOUT,
        retry_policy=_HAND_OUT_AGAIN,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


def _shorter(queue: timedelta | None, total: timedelta | None) -> timedelta | None:
    """No attempt can wait longer than all of them may take; there is no margin, as nobody has to clean up."""
    limits = [limit for limit in (queue, total) if limit is not None]
    return min(limits) if limits else None
