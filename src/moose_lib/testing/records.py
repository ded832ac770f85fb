"""What a local run leaves behind: frozen records, in virtual time counted from the run's start."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from moose_lib.durations import format_duration
from moose_lib.errors import RunFailed, TaskNotFound
from moose_lib.logs.lines import Line
from moose_lib.plan.progress import TaskState
from moose_lib.values import read_value


class RunState(StrEnum):
    """How a run ended, in the words of `moose-cli workflow status`."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TIMED_OUT = "timed_out"
    PARKED = "parked"  # it would stay open: a task waits for a decision


@dataclass(frozen=True, kw_only=True)
class RunError:
    """Why an attempt, a task or a run failed; `task` is `None` where the run as a whole ran out of time."""

    task: str | None
    class_name: str
    message: str
    traceback: str = field(repr=False)
    exception: BaseException = field(repr=False)

    @property
    def type(self) -> str:
        """The exception's class without its module."""
        return self.class_name.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """`ValueError: no`, as Python writes it."""
        return f"{self.type}: {self.message}" if self.message else self.type

    def __str__(self) -> str:
        """`task 'charge' failed: ValueError: no`."""
        return self.summary if self.task is None else f"task {self.task!r} failed: {self.summary}"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a task; `number` counts from 1, `started` from the start of the run.

    A try that asked to be run again (`RetryLater`) and the next one have the same number. `logs` are the lines it
    printed and logged, each with `message`, `level`, `logger` and `stream`.
    """

    number: int
    started: timedelta
    duration: timedelta
    error: RunError | None = None
    logs: tuple[Line, ...] = field(default=(), repr=False, compare=False)

    def __repr__(self) -> str:
        """`<Attempt 2 at 1s for 0s: ValueError>`."""
        outcome = "" if self.error is None else f": {self.error.type}"
        at, span = format_duration(self.started), format_duration(self.duration)
        return f"<Attempt {self.number} at {at} for {span}{outcome}>"


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """One task of a run; `duration` is from its first attempt's start to its last one's end, back-off included."""

    name: str
    state: TaskState
    attempts: tuple[Attempt, ...] = ()
    output_json: bytes | None = field(default=None, repr=False)
    output_type: type[BaseModel] | None = field(default=None, repr=False)

    @property
    def output(self) -> Any:  # Any: an instance of the task's output model, which the caller knows
        """What the task returned, as the next one would receive it; `None` unless it completed."""
        if self.output_json is None or self.output_type is None:
            return None
        return read_value(self.name, self.output_type, self.output_json)

    @property
    def started(self) -> timedelta | None:
        """When the first attempt began, counted from the start of the run; `None` if the task never started."""
        return self.attempts[0].started if self.attempts else None

    @property
    def duration(self) -> timedelta | None:
        """From the first attempt's start to the last one's end."""
        if not self.attempts:
            return None
        last = self.attempts[-1]
        return last.started + last.duration - self.attempts[0].started

    @property
    def error(self) -> RunError | None:
        """Why the last attempt failed, if it did."""
        return self.attempts[-1].error if self.attempts else None

    def __repr__(self) -> str:
        """`<TaskRun charge failed, 4 attempts, 7s: ValueError: no>`."""
        return f"<TaskRun {self}>"

    def __str__(self) -> str:
        """`charge failed, 4 attempts, 7s: ValueError: no`."""
        if self.duration is None:
            return f"{self.name} {self.state}"
        number = self.attempts[-1].number
        tries = "1 attempt" if number == 1 else f"{number} attempts"
        error = "" if self.error is None else f": {self.error.summary}"
        return f"{self.name} {self.state}, {tries}, {format_duration(self.duration)}{error}"


@dataclass(frozen=True, kw_only=True)
class LocalRun:
    """A finished run of a workflow.

    `tasks` are in the order of the plan, `hooks` has the one that ran after them, if any. `executed` has the names of
    the tasks that started, in that order. With workflow retries all describe the last of `starts` starts.

    Example:
        run = run_local(orders, Order(order_id="7"), fail={"charge": 2})
        assert run.state == "completed"
        assert len(run.task("charge").attempts) == 3
    """

    workflow: str
    workflow_id: str
    state: RunState
    result_json: bytes | None
    error: RunError | None
    tasks: tuple[TaskRun, ...]
    hooks: tuple[TaskRun, ...]
    executed: tuple[str, ...]
    last_tasks: tuple[str, ...]
    duration: timedelta
    starts: int

    @property
    def result(self) -> Any:  # Any: the caller knows which model, or how many last tasks there are
        """The last task's output, or a dict of the last tasks' outputs by name; `None` unless the run completed."""
        if self.state is not RunState.COMPLETED:
            return None
        outputs = {name: self.task(name).output for name in self.last_tasks}
        return outputs if len(outputs) > 1 else outputs[self.last_tasks[0]]

    def task(self, name: str) -> TaskRun:
        """The task of this name, or the hook that ran.

        Raises:
            TaskNotFound: the workflow has none.
        """
        by_name: Mapping[str, TaskRun] = {task.name: task for task in (*self.tasks, *self.hooks)}
        if name not in by_name:
            raise task_not_found(self.workflow, name, by_name)
        return by_name[name]

    @property
    def parked(self) -> tuple[TaskRun, ...]:
        """The tasks that wait for a decision."""
        return tuple(task for task in self.tasks if task.state is TaskState.PARKED)

    def raise_for_failure(self) -> None:
        """Do nothing after a completed run.

        Raises:
            RunFailed: it ended in another way; the handler's own exception is the cause.
        """
        if self.state is RunState.COMPLETED:
            return
        error = self.error or next((task.error for task in self.parked), None)
        reason = "" if error is None else f": {error}"
        cause = None if error is None else error.exception
        raise RunFailed(f"workflow {self.workflow!r} {self._ending}{reason}") from cause

    @property
    def _ending(self) -> str:
        special = {RunState.CANCELED: "was canceled", RunState.PARKED: "is parked"}
        return special.get(self.state, self.state.replace("_", " "))

    def __repr__(self) -> str:
        """`<LocalRun Orders completed: 5 tasks, 3s>`."""
        error = "" if self.error is None else f": {self.error}"
        what = f"{self.workflow} {self.state}"
        return f"<LocalRun {what}: {len(self.tasks)} tasks, {format_duration(self.duration)}{error}>"

    def __str__(self) -> str:
        """The run and each of its tasks, one line each."""
        return "\n".join([f"{self.workflow} {self.state}, {format_duration(self.duration)}", *self._lines()])

    def _lines(self) -> Iterable[str]:
        return (*(f"  {task}" for task in self.tasks), *(f"  hook {hook}" for hook in self.hooks))


def task_not_found(workflow: str, name: str, known: Iterable[str]) -> TaskNotFound:
    """The error for a task's name that the workflow does not have, with the name that was probably meant."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"its tasks are {', '.join(map(repr, names[:20]))}"
    return TaskNotFound(f"workflow {workflow!r} has no task {name!r}", hint=hint)
