"""What a scenario is: a workflow, its input, and what must come of it wherever it runs."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from moose_lib import RunInfo, Task, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows
from moose_lib.testing.decisions import Decision, Decisions

#: Attempts which are not compared.
UNKNOWN = -1

AnyTask = Task[Any, Any]  # Any: tasks have models of their own


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What came of a run: states and attempts by task, the decoded result, and what its handlers noted."""

    status: str
    tasks: Mapping[str, tuple[str, int]]
    hooks: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    result: object = None
    failed_task: str | None = None
    error: str | None = None
    message: str | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must come of it. A task that is only named by its state has had one attempt if it ran, else none."""

    tasks: Mapping[str, str | tuple[str, int]]
    hooks: Mapping[str, str | tuple[str, int]] = field(default_factory=dict[str, str | tuple[str, int]])
    status: str = "completed"
    result: object = None
    failed_task: str | None = None
    error: str | None = None
    message: str | None = None
    notes: Sequence[str] | None = None
    check: Callable[[Observed], None] | None = None
    is_any_failed_task: bool = False

    def compare(self, seen: Observed) -> None:
        tasks = _with_attempts(self.tasks)
        found = {
            name: (state, UNKNOWN if tasks.get(name, ("", 0))[1] == UNKNOWN else attempts)
            for name, (state, attempts) in seen.tasks.items()
        }
        assert (seen.status, found) == (self.status, tasks), seen
        assert dict(seen.hooks) == _with_attempts(self.hooks), seen
        failed_task = seen.failed_task if self.is_any_failed_task else self.failed_task
        assert (seen.failed_task, seen.error) == (failed_task, self.error), seen
        assert seen.result == self.result
        assert type(seen.result) is type(self.result)
        if self.message is not None:
            assert seen.message is not None
            assert self.message in seen.message
        if self.notes is not None:
            assert list(seen.notes) == list(self.notes)
        if self.check is not None:
            self.check(seen)


def _with_attempts(states: Mapping[str, str | tuple[str, int]]) -> dict[str, tuple[str, int]]:
    return {name: it if isinstance(it, tuple) else (it, _usual_attempts(it)) for name, it in states.items()}


def _usual_attempts(state: str) -> int:
    return 1 if state in ("completed", "failed", "parked") else 0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`cancel_after`: the run is canceled when a handler has noted this and a task is in the state `cancel_when`.

    Locally it is canceled at `cancel_at`, in virtual time.
    `decisions` are made whenever a task parks.
    """

    workflow: Workflow
    expected: Expected
    input: BaseModel | None = None
    cancel_after: str | None = None
    cancel_when: str = "running"
    cancel_at: str = "1s"
    decisions: Decisions = field(default_factory=dict[str, Decision])
    is_heavy: bool = False

    @property
    def name(self) -> str:
        return self.workflow.name


@dataclass
class Journal:
    """What handlers note, by run; both runners call them in this process, in whichever thread."""

    _notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, run: RunInfo | TaskContext[Any], what: str) -> None:  # Any: only its run matters
        """Remember that `what` happened in this run."""
        info = run.run if isinstance(run, TaskContext) else run
        with self._changed:
            self._notes[info.workflow_id].append(what)
            self._changed.notify_all()

    def notes(self, workflow_id: str) -> list[str]:
        return list(self._notes[workflow_id])

    def wait(self, workflow_id: str, what: str, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: what in self._notes[workflow_id], seconds)


journal = Journal()


def workflow(name: str, start: AnyTask, *, retries: int | None = None, timeout: str | None = None) -> Workflow:
    """A workflow that other tests do not find in the registry."""
    made = Workflow(name=name, config=WorkflowConfig(starting_task=start, retries=retries, timeout=timeout))
    registered_workflows().pop(name, None)
    return made


def chain(*tasks: AnyTask) -> AnyTask:
    """Let each task start when the one before has completed; the first one."""
    for task, following in itertools.pairwise(tasks):
        task.config.on_complete = [*(task.config.on_complete or []), following]
    return tasks[0]


def edges(tasks: Mapping[str, AnyTask], graph: Mapping[str, Sequence[str]]) -> AnyTask:
    """Wire `tasks` as `graph` says, children by parent; the first task."""
    for name, children in graph.items():
        tasks[name].config.on_complete = [tasks[child] for child in children]
    return next(iter(tasks.values()))


def before(first: str, second: str) -> Callable[[Observed], None]:
    """One note comes before another."""

    def check(seen: Observed) -> None:
        assert seen.notes.index(first) < seen.notes.index(second), seen.notes

    return check
