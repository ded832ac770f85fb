"""What Temporal's own UI shows of a run and its tasks: short texts, and Markdown, cut to what the server takes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import islice
from typing import Final

from moose_lib.plan.model import Plan, PlannedTask
from moose_lib.plan.render import tree_lines

__all__ = ["failed_details", "held_details", "run_details", "run_summary", "task_summary"]

#: The server refuses summaries over 400 bytes and details over 20,000; long ones are of no use to readers anyway.
_SUMMARY_BYTES: Final = 300
_DETAILS_BYTES: Final = 4_000
_SHOWN_TASKS: Final = 60
_SHOWN_SOURCES: Final = 4


def task_summary(task: PlannedTask) -> str | None:
    """Where the input comes from: `from validate`, which is shown beside the task's name; None for nowhere."""
    source = _source(task)
    return None if source is None else _cut(f"from {source}", _SUMMARY_BYTES)


def _source(task: PlannedTask) -> str | None:
    if task.source.kind == "outcome":
        return "the outcome of the run"
    names = list(dict.fromkeys(value.task or "the run's input" for value in task.source.values))
    more = f" and {len(names) - _SHOWN_SOURCES} more" if len(names) > _SHOWN_SOURCES else ""
    return f"{', '.join(names[:_SHOWN_SOURCES])}{more}" if names else None


def run_summary(plan: Plan) -> str:
    """The tasks in their order, side by side those of one depth: `check → charge, pack → ship`."""
    depths, levels = dict[str, int](), dict[int, list[str]]()
    for task in islice(plan.tasks, _SHOWN_TASKS):
        depths[task.name] = 1 + max((depths[parent] for parent in task.after), default=0)
        levels.setdefault(depths[task.name], []).append(task.name)
    return _cut(" → ".join(", ".join(levels[depth]) for depth in sorted(levels)), _SUMMARY_BYTES)


def run_details(plan: Plan) -> str:
    """The graph as a tree, in Markdown."""
    shown = _cut("\n".join(islice(tree_lines(plan, _line), _SHOWN_TASKS)), _DETAILS_BYTES)
    left = len(plan.tasks) - _SHOWN_TASKS
    more = f"\n\nand {left} more tasks" if left > 0 else ""
    return f"```text\n{shown}\n```{more}"


def _line(task: PlannedTask) -> str:
    """`ship after price, stock ← validate`; the page is narrow."""
    source = _source(task)
    after = f" after {', '.join(task.after[:_SHOWN_SOURCES])}" if len(task.after) > 1 else ""
    more = " …" if len(task.after) > _SHOWN_SOURCES else ""
    return f"{task.name}{after}{more}" + ("" if source is None else f" ← {source}")


def held_details(workflow_id: str, *, parked: Sequence[str], is_paused: bool) -> str:
    """What an open run waits for, with the commands that let it go on, in Markdown; empty if it waits for nobody."""
    parts = list[str]()
    if is_paused:
        parts.append(f"**Paused**: no further task starts until\n\n{_code(_command('unpause', workflow_id))}")
    for name in parked[:_SHOWN_SOURCES]:
        decisions = [
            _command("explain", workflow_id),
            _command("retry", workflow_id, name),
            _command("skip", workflow_id, name) + " --output JSON",
            _command("fail", workflow_id),
        ]
        parts.append(f"**Parked**: {name} failed, and waits for a decision\n\n{_code(*decisions)}")
    if len(parked) > _SHOWN_SOURCES:
        parts.append(f"and {len(parked) - _SHOWN_SOURCES} more parked tasks")
    return _cut("\n\n".join(parts), _DETAILS_BYTES)


def failed_details(run_id: str, failed: Sequence[str]) -> str:
    """Which tasks failed, and the commands that say why and go on from there, in Markdown."""
    named = ", ".join(failed[:_SHOWN_SOURCES]) + (" …" if len(failed) > _SHOWN_SOURCES else "")
    return f"**Failed**: {named}\n\n{_code(_command('explain', run_id), _command('resume', run_id, '--dry-run'))}"


def _command(verb: str, *words: str) -> str:
    return shlex.join(["moose-cli", "workflow", verb, *words])


def _code(*lines: str) -> str:
    return "\n".join(["```sh", *lines, "```"])


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes."""
    data = text.encode(errors="replace")
    return text if len(data) <= limit else f"{data[: limit - 3].decode(errors='ignore')}…"
