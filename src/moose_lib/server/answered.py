"""What `/admin/workflows` answers: a run that was started, with where to go on, and the schemas of its documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from moose_lib.operations.documents import started_document
from moose_lib.operations.records import RunState, StartedRun

__all__ = ["STARTED", "WORKFLOWS", "RunLinks", "started_run"]

_Document = dict[str, Any]  # Any: JSON
_TEXT: Final[_Document] = {"type": "string"}
_TEXT_OR_NULL: Final[_Document] = {"type": ["string", "null"]}
_OBJECT_OR_NULL: Final[_Document] = {"type": ["object", "null"]}


class RunLinks:
    """Where this API tells more of a run: paths on this server, below its `prefix`."""

    def __init__(self, prefix: str) -> None:
        self._admin = f"{prefix}/admin"

    def status(self, workflow_id: str) -> str:
        """The run as it is now."""
        return f"{self._admin}/workflows/runs/{quote(workflow_id, safe='')}"

    def of(self, workflow: str, workflow_id: str) -> Mapping[str, str]:
        """All of them: `result` answers when the run has ended, `history` has the runs of its workflow."""
        return {
            "status": self.status(workflow_id),
            "result": f"{self.status(workflow_id)}?wait=5m",
            "logs": f"{self._admin}/logs?run={quote(workflow_id, safe='')}",
            "history": f"{self._admin}/workflows/history?name={quote(workflow, safe='')}",
        }


def started_run(run: StartedRun, links: RunLinks) -> _Document:
    """The keys of the existing Moose and ours."""
    theirs = {"workflowId": run.workflow_id, "runId": run.run_id, "dashboardUrl": run.ui_url}
    told = started_document(run, has_worker=None)
    return {**theirs, **told, "links": dict(links.of(run.workflow, run.workflow_id))}


def _object(properties: Mapping[str, _Document], **optional: _Document) -> _Document:
    return {"type": "object", "properties": {**properties, **optional}, "required": list(properties)}


#: A run that was started, as `run --json` tells it, with the existing Moose's keys and links.
STARTED: Final = _object(
    {
        "workflowId": _TEXT,
        "runId": _TEXT,
        "dashboardUrl": _TEXT_OR_NULL,
        "name": _TEXT,
        "workflow_id": _TEXT,
        "run_id": _TEXT,
        "status": _TEXT,
        "state": {"enum": list(RunState)},
        "has_worker": {"type": ["boolean", "null"]},
        "url": {"type": ["string", "null"], "description": "The run's page in Temporal's UI."},
        "links": _object(dict.fromkeys(("status", "result", "logs", "history"), _TEXT)),
    },
    note={"type": "string", "description": "There where moose-cli dev has refused the code of now."},
)
#: The declared workflows, as `workflow list --json` tells them.
WORKFLOWS: Final[_Document] = {
    "type": "array",
    "items": _object(
        {
            "name": _TEXT,
            "schedule": _TEXT_OR_NULL,
            "schedule_details": _OBJECT_OR_NULL,
            "schedule_state": _TEXT_OR_NULL,
            "next_time": _TEXT_OR_NULL,
            "last_run": _OBJECT_OR_NULL,
            "tasks": {"type": "array", "items": _TEXT},
            "input": {"type": ["string", "null"], "description": "The model of its input."},
            "timeout_seconds": {"type": ["number", "null"]},
            "retries": {"type": "integer"},
            "file": _TEXT,
            "line": {"type": "integer"},
            "plan_hash": _TEXT,
        }
    ),
}
