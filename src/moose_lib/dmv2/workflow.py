"""Workflows: a graph of tasks that starts with one of them. All that users declare can be imported from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from moose_lib.dmv2 import _hook_rules, _registry, _retry_rules, _rules
from moose_lib.dmv2.context import CancelHandler, Handler, RunInfo, TaskContext
from moose_lib.dmv2.outcome import RunOutcome
from moose_lib.dmv2.schedule import Schedule
from moose_lib.dmv2.task import Task, TaskConfig, described, no_handler, wrapping
from moose_lib.errors import Fault

__all__ = [
    "CancelHandler",
    "Handler",
    "Hook",
    "RunInfo",
    "RunOutcome",
    "Task",
    "TaskConfig",
    "TaskContext",
    "Workflow",
    "WorkflowConfig",
]

#: A task that runs after the run, with its outcome as input or with none; what it returns is not used.
Hook: TypeAlias = Task[RunOutcome, Any] | Task[None, Any]  # Any: whatever it returns


@dataclass
class WorkflowConfig:
    """How a workflow runs.

    Attributes:
        starting_task: the task that gets the run's input.
        retries: how often a failed run starts again from the beginning; unset: 0.
        timeout: longest time for the whole run with its retries; unset: no limit.
        schedule: cron ("0 0 * * *"), "@daily", "@every 36h", "5m", or a `Schedule`; unset: runs when started.
        on_task_failure: `on_failure` of the tasks that do not say: "fail" or "park"; unset: "fail".
        on_success: a task that runs after the run has completed, with its `RunOutcome`.
        on_failure: a task that runs after the run has failed for good, with its `RunOutcome`.
    """

    starting_task: Task[Any, Any]  # Any: it has models of its own
    retries: int | None = None
    timeout: str | None = None
    schedule: str | Schedule | None = None
    on_task_failure: Literal["fail", "park"] | None = field(default=None, kw_only=True)
    on_success: Hook | None = field(default=None, kw_only=True)
    on_failure: Hook | None = field(default=None, kw_only=True)


class Workflow:
    """A graph of tasks, declared by its starting task and every task's `on_complete`.

    Registers itself under its name.

    Raises:
        InvalidDefinition: the name or a setting is wrong, or the name is taken by a workflow declared elsewhere.
            Cycles and wiring are checked when the project is loaded, as `on_complete` may still change.

    Example:
        Workflow(name="Orders", config=WorkflowConfig(starting_task=validate, timeout="30m"))
    """

    def __init__(self, name: str, config: WorkflowConfig) -> None:
        self.name = name if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  # users' names are not type-checked
        self.location = _registry.caller_location()
        faults = [self._fault(code, text, hint) for code, text, hint in _rules.name_faults("workflow", name)]
        if isinstance(config, WorkflowConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            self.config = config
            faults += self.config_faults()
        else:
            self.config = WorkflowConfig(starting_task=Task[None, None]("none", TaskConfig(run=no_handler)))
            text = f"config is {config!r}, which is not a WorkflowConfig"
            faults.append(self._fault("bad-config", text, "write config=WorkflowConfig(starting_task=…)"))
        _registry.register(self, faults + self._duplicate_faults())

    def get_task_names(self) -> list[str]:
        """Names of all tasks, each once; a task comes after everything it waits for."""
        return [task.name for task in self.tasks()]

    def get_task(self, name: str) -> Task[Any, Any] | None:  # Any: the caller knows the models
        """The task of this name, or `None`."""
        return next((task for task in self.tasks() if task.name == name), None)

    def tasks(self) -> list[Task[Any, Any]]:  # Any: each has models of its own
        """All tasks in topological order; children in the order of `on_complete`.

        In a graph with a cycle, which loading refuses, the order is only that of discovery.
        """
        start = self.config.starting_task
        unvisited: list[tuple[Task[Any, Any], bool]] = [(start, False)] if isinstance(start, Task) else []  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        open_tasks = set[int]()
        finished: dict[int, Task[Any, Any]] = {}
        while unvisited:
            task, is_left = unvisited.pop()
            if is_left:
                finished[id(task)] = task
                continue
            if id(task) in open_tasks:
                continue
            open_tasks.add(id(task))
            unvisited.append((task, True))
            unvisited += [(child, False) for child in task.children]
        return list(reversed(finished.values()))

    def config_faults(self) -> list[Fault]:
        """What is wrong with `config` as it is now."""
        config = self.config
        found = _rules.timeout_faults(config.timeout) + _rules.retries_faults(config.retries)
        found += _rules.schedule_faults(config.schedule)
        found += _retry_rules.on_failure_faults("on_task_failure", config.on_task_failure)
        if not isinstance(config.starting_task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            text = f"starting_task is {described(config.starting_task)}, which is not a task"
            found.append(("no-starting-task", text, wrapping(config.starting_task)))
        found += _hook_rules.hook_faults(self._declared_hooks(), self.tasks())
        return [self._fault(code, text, hint) for code, text, hint in found]

    def hooks(self) -> dict[str, Task[Any, Any]]:  # Any: each has models of its own
        """The tasks in `on_success` and `on_failure`, by these words."""
        return {role: hook for role, hook in self._declared_hooks().items() if isinstance(hook, Task)}

    def _declared_hooks(self) -> dict[str, object]:
        declared = {"on_success": self.config.on_success, "on_failure": self.config.on_failure}
        return {role: hook for role, hook in declared.items() if hook is not None}

    def _duplicate_faults(self) -> list[Fault]:
        earlier = _registry.registered_workflows().get(self.name)
        if earlier is None or not self.name:
            return []
        if earlier.location != self.location:
            text = f"the name is taken by the workflow at {earlier.location}"
            return [self._fault("duplicate-workflow", text, "rename one of them")]
        if not _registry.is_collecting():  # the same line again: a reload or a notebook cell
            return []
        text = "this line makes several workflows of this name"
        hint = "take the name from the loop or the function's arguments, and import the file under one name"
        return [self._fault("duplicate-workflow", text, hint)]

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        message = f"workflow {self.name!r}: {text}"
        return Fault(code=code, message=message, hint=hint, location=self.location, workflow=self.name)

    def __repr__(self) -> str:
        """`Workflow('Orders')`."""
        return f"Workflow({self.name!r})"
