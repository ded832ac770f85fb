"""What somebody decides about the parked tasks of a local run."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pydantic import BaseModel

from moose_lib import calling
from moose_lib.dmv2.workflow import Task, Workflow
from moose_lib.plan.model import Plan
from moose_lib.testing.records import task_not_found

__all__ = ["Decision", "Decisions", "Fail", "Retry", "Skip"]


@dataclass(frozen=True)
class Retry:
    """Run the parked task again, with all its attempts: `moose-cli workflow retry`."""


@dataclass(frozen=True)
class Skip:
    """Go on as if the parked task had returned `output`: `moose-cli workflow skip`."""

    output: BaseModel | None = None


@dataclass(frozen=True)
class Fail:
    """Let all tasks fail that are parked now, and so the run: `moose-cli workflow fail`."""


Decision: TypeAlias = Retry | Skip | Fail

#: By task name, what is decided each time it parks.
Decisions: TypeAlias = Mapping[str, Decision | Sequence[Decision]]


@dataclass(frozen=True)
class Answer:
    """A decision; `output` is that of a skipped task as it travels."""

    decision: Decision
    output: bytes = b"null"


class Desk:
    """Decides whenever a task parks, until it has no decision left for it.

    Raises:
        TaskNotFound: a decision is about a task that the workflow does not have.
        ValueError: a decision is about a task that never parks.
        TypeError: it is no decision.
        InvalidOutput: an output is not what its task declares.
    """

    def __init__(self, workflow: Workflow, plan: Plan, decisions: Decisions) -> None:
        tasks = {task.name: task for task in workflow.tasks()}
        for name in decisions:
            if name not in tasks:
                raise task_not_found(workflow.name, name, tasks)
            if plan.task(name).on_failure != "park":
                raise ValueError(f"decisions={{{name!r}: …}}: the task does not park; it has no on_failure='park'")
        self._answers = {
            name: [_answer(tasks[name], it) for it in _listed(name, made)] for name, made in decisions.items()
        }

    def answers(self) -> dict[str, deque[Answer]]:
        """What is left to decide at the begin of a run, by task."""
        return {name: deque(answers) for name, answers in self._answers.items()}


def _listed(name: str, made: object) -> list[Decision]:
    """What is decided about a task, one after the other; users' tests are not always type-checked."""
    listed: list[object] = [made]
    if isinstance(made, Sequence) and not isinstance(made, str):
        listed = list(cast("Sequence[object]", made))  # a sequence of anything
    found = [it for it in listed if isinstance(it, Retry | Skip | Fail)]
    if len(found) < len(listed):
        raise TypeError(f"decisions={{{name!r}: {made!r}}}: write Retry(), Skip(output), Fail(), or a list of those")
    return found


def _answer(task: Task[Any, Any], decision: Decision) -> Answer:  # Any: tasks have models of their own
    if isinstance(decision, Skip):
        return Answer(decision, calling.encode_output(task, decision.output))
    return Answer(decision)
