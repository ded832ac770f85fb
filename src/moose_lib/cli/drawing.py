"""The graph of a run: its own plan, coloured by how its tasks stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moose_lib.cli.output import Output
from moose_lib.cli.status_text import run_state_text
from moose_lib.cli.task_table import TASK_MARKS, TASK_PAINTS, state_text
from moose_lib.cli.texts import duration_text, json_time, local_text, seconds
from moose_lib.operations.records import RunStatus, TaskPhase, TaskStatus
from moose_lib.plan.model import Plan, PlannedTask
from moose_lib.plan.render import Look, dot, mermaid, tree

__all__ = ["run_drawing", "run_graph_document"]

#: Light enough for dark text on them.
_FILLS = {
    TaskPhase.WAITING: "#f1f3f5",
    TaskPhase.QUEUED: "#dee2e6",
    TaskPhase.RUNNING: "#a5d8ff",
    TaskPhase.RETRYING: "#ffe066",
    TaskPhase.UNKNOWN: "#ffd8a8",
    TaskPhase.PARKED: "#ffa8a8",
    TaskPhase.COMPLETED: "#b2f2bb",
    TaskPhase.FAILED: "#ff8787",
    TaskPhase.SKIPPED: "#e9ecef",
    TaskPhase.CANCELED: "#eebefa",
}
_DRAWERS: Mapping[str, Callable[[Plan, Mapping[str, Look], str], str]] = {"mermaid": mermaid, "dot": dot}


def run_drawing(status: RunStatus, plan: Plan, kind: str, output: Output) -> list[str]:
    """Return the graph as `text`, `mermaid` or `dot`."""
    how = f"{run_state_text(status)}, {local_text(status.started)}"
    title = f"{status.name} {status.workflow_id}, run {status.run_id}: {how}"
    tasks = {task.name: task for task in status.tasks}
    if kind in _DRAWERS:
        looks = {
            name: Look(kind=task.state.value, fill=_FILLS[task.state], note=_note(task)) for name, task in tasks.items()
        }
        return _DRAWERS[kind](plan, looks, title).splitlines()
    return [output.paint(title, "dim"), *tree(plan, lambda task: _line(task, tasks[task.name], output)).splitlines()]


def _line(planned: PlannedTask, task: TaskStatus, output: Output) -> str:
    after = f"  after {', '.join(planned.after)}" if len(planned.after) > 1 else ""
    return output.paint(f"{TASK_MARKS[task.state]} {task.name}  {_note(task)}", TASK_PAINTS[task.state]) + after


def _note(task: TaskStatus) -> str:
    """`completed in 30ms`, `running for 2s, attempt 2 of 4`."""
    word = "for" if task.state is TaskPhase.RUNNING else "after" if task.is_interrupted else "in"
    told = [state_text(task) + ("" if task.duration is None else f" {word} {duration_text(task.duration)}")]
    if task.attempts > 1:
        told.append(f"attempt {task.attempts}" + ("" if task.max_attempts is None else f" of {task.max_attempts}"))
    return ", ".join(told)


def run_graph_document(status: RunStatus, plan: Plan) -> dict[str, Any]:  # Any: JSON
    """Return the plan, as for a workflow, with how the run and each task stand."""
    states = {
        task.name: {
            "state": task.state.value,
            "attempts": task.attempts,
            "started": json_time(task.started),
            "duration": seconds(task.duration),
        }
        for task in status.tasks
    }
    run = {"workflow_id": status.workflow_id, "run_id": status.run_id, "state": status.state.value, "tasks": states}
    return {**plan.model_dump(mode="json"), "run": run}
