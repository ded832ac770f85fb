"""Schedules as JSON: the same for `moose-cli schedule … --json` and the HTTP API."""

from __future__ import annotations

from typing import Any

from moose_lib.operations.documents import json_time
from moose_lib.operations.schedule_records import DeployedSchedule
from moose_lib.plan.schedule import PlannedSchedule

__all__ = ["details_document", "schedule_document"]


def schedule_document(found: DeployedSchedule) -> dict[str, Any]:  # Any: JSON
    """Return a deployed schedule as JSON."""
    return {
        "name": found.workflow,
        "schedule": None if found.declared is None else found.declared.text,
        "schedule_details": details_document(found.declared),
        "project": None if found.owner is None else found.owner.project,
        "task_queue": found.task_queue,
        "is_paused": found.is_paused,
        "note": found.note,
        "changed_by_hand": list(found.drifted),
        "next_times": [json_time(time) for time in found.next_times],
        "open_runs": list(found.open_runs),
        "recent": [
            {
                "scheduled_time": json_time(action.slot),
                "started": json_time(action.started),
                "workflow_id": action.workflow_id,
                "run_id": action.run_id,
            }
            for action in found.recent
        ],
        "started": found.started,
        "missed": found.missed,
        "skipped": found.skipped,
        "created": json_time(found.created),
        "updated": json_time(found.updated),
    }


def details_document(schedule: PlannedSchedule | None) -> dict[str, Any] | None:  # Any: JSON
    """Return a declared schedule as JSON."""
    return None if schedule is None else schedule.model_dump(mode="json")
