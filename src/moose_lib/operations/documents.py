"""Records as JSON. Keys of the existing Moose keep their names; ours are added, never in place of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moose_lib.operations.records import (
    RecordedEvent,
    RunError,
    RunPause,
    RunState,
    RunStatus,
    RunSummary,
    StartedRun,
    TaskError,
    TaskStatus,
)
from moose_lib.operations.resume import Resumption

__all__ = [
    "EMOJI",
    "decisions_document",
    "event_document",
    "json_time",
    "resumption_document",
    "run_document",
    "seconds",
    "standing_document",
    "started_document",
    "summary_document",
    "task_document",
]

_Document = dict[str, Any]  # Any: JSON

EMOJI = {
    RunState.RUNNING: "⏳",
    RunState.COMPLETED: "✅",
    RunState.FAILED: "❌",
    RunState.CANCELED: "🚫",
    RunState.TERMINATED: "🛑",
    RunState.TIMED_OUT: "⏰",
    RunState.CONTINUED_AS_NEW: "🔁",
}


def run_document(status: RunStatus, ui_url: str | None, events: Sequence[RecordedEvent] | None = None) -> _Document:
    """Return a run with its tasks: the document of `run --wait`, `status` and `result`."""
    document: _Document = {
        "name": status.name,
        "workflow_name": status.name,
        "workflow_id": status.workflow_id,
        "run_id": status.run_id,
        "first_run_id": status.first_run_id,
        "status": status.state.wire,
        "state": status.state.value,
        "status_emoji": EMOJI[status.state],
        "start_time": json_time(status.started),
        "close_time": json_time(status.closed),
        "execution_time_seconds": seconds(status.duration),
        "attempt": status.attempt,
        "max_attempts": status.max_attempts,
        "is_cancel_requested": status.is_cancel_requested,
        "is_paused": status.is_paused,
        "pause": None if status.pause is None else _pause(status.pause),
        "parked": [task.name for task in status.parked],
        "resumed_from": status.resumed_from,
        "resumed_as": status.resumed_as,
        "result": None if status.result is None else json.loads(status.result),
        "error": None if status.error is None else _run_error(status.error, status),
        "tasks": [task_document(task) for task in status.tasks],
        "hooks": [task_document(hook) for hook in status.hooks],
        "url": ui_url,
    }
    if status.error is not None:
        document["failure_summary"] = _failure_summary(status.error.error)
    if events is not None:
        document["events"] = [event_document(event) for event in events]
    return document


def resumption_document(resumption: Resumption, *, task_queue: str) -> _Document:
    """Return what a resume does, or would do, and on which task queue."""
    status = resumption.past.status
    old = {"workflow_id": status.workflow_id, "run_id": status.run_id, "state": status.state.value}
    old["task_queue"] = resumption.past.task_queue
    return {"resumed_from": old, **decisions_document(resumption), "task_queue": task_queue}


def decisions_document(resumption: Resumption) -> _Document:
    """Return the hash for `--plan`, and what becomes of each task."""
    decided = resumption.decided
    tasks = [{"name": it.task, "verdict": it.verdict.value, "reason": it.reason} for it in decided]
    return {"plan": resumption.hash, "tasks": tasks}


def task_document(task: TaskStatus) -> _Document:
    """Return one task of a run."""
    return {
        "name": task.name,
        "state": task.state.value,
        "attempts": task.attempts,
        "max_attempts": task.max_attempts,
        "started": json_time(task.started),
        "closed": json_time(task.closed),
        "duration": seconds(task.duration),
        "error": None if task.error is None else _task_error(task.error),
        "waiting_for": list(task.waiting_for),
        "next_attempt": json_time(task.next_attempt),
        "is_kept": task.is_kept,
        "decision": None if task.decision is None else task.decision.value,
        "reason": task.reason,
        "is_interrupted": task.is_interrupted,
        "ingested": dict(task.sent.stored),
        "rejected": dict(task.sent.rejected),
        "set_aside": dict(task.sent.set_aside),
        "held_up_by": task.held_up_by,
    }


def _pause(pause: RunPause) -> _Document:
    return {"time": json_time(pause.time), "by": pause.by, "note": pause.note}


def _run_error(error: RunError, status: RunStatus) -> _Document:
    """`reason`: why somebody gave the task up by hand."""
    task = None if error.task is None else status.task(error.task)
    reason = None if task is None else task.reason
    return {"task": error.task, "tasks": list(error.tasks), "reason": reason, **_task_error(error.error)}


def _task_error(error: TaskError) -> _Document:
    return {
        "class": error.class_name,
        "type": error.type,
        "message": error.message,
        "traceback": error.traceback,
        "kind": error.kind,
        "attempt": error.attempt,
        "is_retryable": error.is_retryable,
    }


def _failure_summary(error: TaskError) -> _Document:
    return {"error": str(error), "details": error.message, "stack": error.traceback, "error_type": error.type}


def event_document(event: RecordedEvent) -> _Document:
    """Return a recorded event; keys that say nothing are left out, as the existing Moose does."""
    told: _Document = {
        "activity": event.task,
        "result": None if event.result is None else json.loads(event.result),
        "error": None if event.error is None else str(event.error),
        "details": None if event.error is None else event.error.message,
        "stack": None if event.error is None else event.error.traceback,
        "error_type": None if event.error is None else event.error.type,
        "signal": event.signal,
        "reason": event.reason,
    }
    present = {key: value for key, value in told.items() if value is not None}
    return {"timestamp": json_time(event.time), "type": event.type, **present}


def summary_document(run: RunSummary, now: datetime) -> _Document:
    """Return one row of `history`. `name` is the workflow id, as scripts of Moose's users expect."""
    return {
        "name": run.workflow_id,
        "workflow_name": run.name,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "status": run.state.wire,
        "state": run.state.value,
        "started_at": json_time(run.started),
        "closed_at": json_time(run.closed),
        "duration": seconds(run.duration(now)),
    }


def standing_document(run: RunSummary, status: RunStatus | None, now: datetime) -> _Document:
    """Return the same with what the list of runs does not know of an open one."""
    return {
        **summary_document(run, now),
        "is_paused": status is not None and status.is_paused,
        "parked": [] if status is None else [task.name for task in status.parked],
    }


def started_document(run: StartedRun, *, has_worker: bool | None) -> _Document:
    """Return a run that was just started; `has_worker` is None if nobody looked."""
    return {
        "name": run.workflow,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "status": RunState.RUNNING.wire,
        "state": RunState.RUNNING.value,
        "has_worker": has_worker,
        "url": run.ui_url,
    }


def json_time(time: datetime | None) -> str | None:
    """Return ISO 8601 in UTC."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def seconds(duration: timedelta | None) -> float | None:
    """Return a JSON number of seconds, to the millisecond."""
    return None if duration is None else round(duration.total_seconds(), 3)
