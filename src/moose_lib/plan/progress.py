"""How a run advances: (plan, what happened) → what to start, what to wait for, how it ends.

The heart of the system. No clock, no I/O, no randomness: the Temporal interpreter and the local runner both only obey
this, so that they cannot disagree. A task is started at most once in the life of a `Progress`, but for one that was
parked and is retried.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from moose_lib.plan.model import Plan


class TaskState(StrEnum):
    """Where a task of a run stands.

    waiting: its parents have not all completed. running: started. parked: failed for good, and somebody has to decide
    how it goes on. completed, failed: over. skipped: never starts, as a task before it failed or the run was canceled.
    canceled: stopped while it ran.
    """

    WAITING = "waiting"
    RUNNING = "running"
    PARKED = "parked"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"


_UNDECIDED: Final = frozenset({TaskState.RUNNING, TaskState.PARKED})
_MAY_START: Final = _UNDECIDED | {TaskState.WAITING}


class Progress:
    """The state of one run of `plan`.

    `completed`, `failed` and `parked` are the frontier of an earlier part of the same run: those tasks are not started
    again, unless a parked one is retried.

    Example:
        progress = Progress(plan)
        to_start = progress.start()
        to_start = progress.complete("validate")
    """

    def __init__(
        self, plan: Plan, *, completed: Iterable[str] = (), failed: Iterable[str] = (), parked: Iterable[str] = ()
    ) -> None:
        self._plan = plan
        self._states = {task.name: TaskState.WAITING for task in plan.tasks}
        self._missing = {task.name: len(task.after) for task in plan.tasks}
        self._running: dict[str, None] = {}
        self._parked: dict[str, None] = {}
        for name in dict.fromkeys(completed):
            self._states[name] = TaskState.COMPLETED
            for child in plan.children(name):
                self._missing[child] -= 1
        for name in failed:
            self._states[name] = TaskState.FAILED
            self._skip_after(name)
        for name in parked:
            self._park(name)

    def start(self) -> tuple[str, ...]:
        """Start every task that can start now: the first one, or those at the frontier. Call it once."""
        return self._started(task.name for task in self._plan.tasks if self._can_start(task.name))

    def complete(self, name: str) -> tuple[str, ...]:
        """`name` has completed, or is parked and got its output by hand; start the children that waited only for it."""
        self._finish(name, TaskState.COMPLETED)
        children = self._plan.children(name)
        for child in children:
            self._missing[child] -= 1
        return self._started(child for child in children if self._can_start(child))

    def fail(self, name: str) -> None:
        """`name` has failed for good, or was parked and is given up; what depends on it never starts, others go on."""
        self._finish(name, TaskState.FAILED)
        self._skip_after(name)

    def park(self, name: str) -> None:
        """`name` has failed, and somebody decides how it goes on; what depends on it waits."""
        self._finish(name, TaskState.PARKED)
        self._park(name)

    def retry(self, name: str) -> tuple[str, ...]:
        """Start a parked task again."""
        assert self._states[name] is TaskState.PARKED, f"{name} is retried, but it is {self._states[name]}"
        del self._parked[name]
        return self._started([name])

    def cancel(self) -> None:
        """The run was canceled: what runs is canceled, what is parked has failed, and what waits never starts."""
        for name, state in self._states.items():
            if state is TaskState.RUNNING:
                self._states[name] = TaskState.CANCELED
            elif state is TaskState.PARKED:
                self._states[name] = TaskState.FAILED
            elif state is TaskState.WAITING:
                self._states[name] = TaskState.SKIPPED
        self._running.clear()
        self._parked.clear()

    def state(self, name: str) -> TaskState:
        """The state of one task; KeyError for a name that is not in the plan."""
        return self._states[name]

    def waiting_for(self, name: str) -> tuple[str, ...]:
        """The parents that a waiting task still waits for, in declared order; empty for any other task."""
        if self._states[name] is not TaskState.WAITING:
            return ()
        return tuple(p for p in self._plan.task(name).after if self._states[p] is not TaskState.COMPLETED)

    @property
    def running(self) -> tuple[str, ...]:
        """The tasks that have been started and have not finished, in the order of their start."""
        return tuple(self._running)

    @property
    def failed(self) -> tuple[str, ...]:
        """The tasks that failed, in the order of the plan."""
        return self._in(TaskState.FAILED)

    @property
    def parked(self) -> tuple[str, ...]:
        """The tasks that somebody has to decide about, in the order in which they failed."""
        return tuple(self._parked)

    @property
    def completed(self) -> tuple[str, ...]:
        """The tasks that completed, in the order of the plan."""
        return self._in(TaskState.COMPLETED)

    @property
    def is_finished(self) -> bool:
        """Nothing runs and nothing is parked, so nothing more can start; ask only after `start()`."""
        return not self._running and not self._parked

    @property
    def needed_outputs(self) -> frozenset[str]:
        """The completed tasks whose output a task that may still start, or the result, needs."""
        needed = set(self._plan.last_tasks)
        for task in self._plan.tasks:
            if self._states[task.name] in _MAY_START:
                needed |= {value.task for value in task.source.values if value.task is not None}
        return frozenset(name for name in needed if self._states[name] is TaskState.COMPLETED)

    def _can_start(self, name: str) -> bool:
        return self._states[name] is TaskState.WAITING and self._missing[name] == 0

    def _started(self, names: Iterable[str]) -> tuple[str, ...]:
        started = tuple(names)
        for name in started:
            self._states[name] = TaskState.RUNNING
            self._running[name] = None
        return started

    def _finish(self, name: str, state: TaskState) -> None:
        assert self._states[name] in _UNDECIDED, f"{name} finishes, but it is {self._states[name]}"
        self._running.pop(name, None)
        self._parked.pop(name, None)
        self._states[name] = state

    def _park(self, name: str) -> None:
        self._states[name] = TaskState.PARKED
        self._parked[name] = None

    def _skip_after(self, name: str) -> None:
        unvisited = deque(self._plan.children(name))
        while unvisited:
            child = unvisited.popleft()
            if self._states[child] is TaskState.WAITING:
                self._states[child] = TaskState.SKIPPED
                unvisited.extend(self._plan.children(child))

    def _in(self, state: TaskState) -> tuple[str, ...]:
        return tuple(name for name, its in self._states.items() if its is state)
