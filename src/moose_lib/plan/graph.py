"""The declared graph of one workflow, turned round: who comes before whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from moose_lib.dmv2.workflow import Task, Workflow
from moose_lib.errors import Fault

AnyTask: TypeAlias = Task[Any, Any]  # Any: each task of a graph has models of its own


class Graph:
    """The tasks of a workflow by name, in topological order, with their parents in declared order."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.tasks: dict[str, AnyTask] = {task.name: task for task in workflow.tasks()}
        self.parents: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for child in children_of(task):
                if child.name in self.parents and task.name not in self.parents[child.name]:
                    self.parents[child.name].append(task.name)

    @property
    def start(self) -> AnyTask:
        """The starting task."""
        return self.workflow.config.starting_task

    def levels_before(self, name: str) -> Iterator[list[str]]:
        """The tasks before `name`: its parents, then those one edge further back, and so on; each task once."""
        seen = {name}
        level = [name]
        while True:
            found = dict.fromkeys(parent for task in level for parent in self.parents[task] if parent not in seen)
            if not found:
                return
            seen |= found.keys()
            level = list(found)
            yield level


def children_of(task: AnyTask) -> list[AnyTask]:
    """The tasks in `on_complete` that are tasks; what is not one is a fault of its own."""
    return [child for child in task.config.on_complete or () if isinstance(child, Task)]  # pyright: ignore[reportUnnecessaryIsInstance]  # users' lists are not type-checked


def shape_faults(workflow: Workflow) -> list[Fault]:
    """A cycle, and two tasks with one name: with these there is no graph to wire."""
    return _duplicate_tasks(workflow) + _cycle(workflow)


def _duplicate_tasks(workflow: Workflow) -> list[Fault]:
    first: dict[str, AnyTask] = {}
    faults = list[Fault]()
    for task in workflow.tasks():
        earlier = first.setdefault(task.name, task)
        if earlier is not task:
            text = (
                f"workflow {workflow.name!r} has two tasks named {task.name!r}; the other one is at {earlier.location}"
            )
            faults.append(_fault("duplicate-task", text, "rename one of them", workflow, task))
    return faults


def _cycle(workflow: Workflow) -> list[Fault]:
    """Depth first, with the open path at hand; without recursion, as a chain may be thousands long."""
    if not isinstance(workflow.config.starting_task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        return []
    start: AnyTask = workflow.config.starting_task
    path: list[AnyTask] = [start]
    iterators = [iter(children_of(start))]
    on_path, finished = {id(start)}, set[int]()
    while path:
        child = next(iterators[-1], None)
        if child is None:
            iterators.pop()
            done = path.pop()
            on_path.discard(id(done))
            finished.add(id(done))
        elif id(child) in on_path:
            names = [task.name for task in path[path.index(child) :]]
            text = f"workflow {workflow.name!r} has a cycle: {' → '.join([*names, child.name])}"
            return [_fault("cycle", text, f"take {child.name!r} out of on_complete of {names[-1]!r}", workflow, child)]
        elif id(child) not in finished:
            path.append(child)
            on_path.add(id(child))
            iterators.append(iter(children_of(child)))
    return []


def _fault(code: str, text: str, hint: str, workflow: Workflow, task: AnyTask) -> Fault:
    return Fault(code=code, message=text, hint=hint, location=task.location, workflow=workflow.name, task=task.name)
