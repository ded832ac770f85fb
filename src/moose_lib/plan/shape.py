"""What a graph must not have: a cycle, or two tasks with one name."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from moose_lib.dmv2.workflow import Task, Workflow
from moose_lib.errors import Fault
from moose_lib.plan.graph import AnyTask


@dataclass(frozen=True, kw_only=True)
class ShapeFault:
    """A fault with the tasks it makes unfit for wiring; `key` is the same where another workflow has it too."""

    fault: Fault
    tasks: tuple[AnyTask, ...]
    key: Hashable


def shape_faults(workflow: Workflow) -> list[ShapeFault]:
    """Every pair of tasks with one name, and every cycle."""
    cycles = (_cycle_fault(workflow, cycle) for cycle in _cycles(workflow))
    return [*_duplicate_tasks(workflow), *cycles]


def _duplicate_tasks(workflow: Workflow) -> list[ShapeFault]:
    first: dict[str, AnyTask] = {}
    faults = list[ShapeFault]()
    for task in workflow.tasks():
        earlier = first.setdefault(task.name, task)
        if earlier is task or not task.name:  # no name is a fault of its own
            continue
        earlier, later = sorted((earlier, task), key=lambda it: (it.location.file, it.location.line))
        text = f"workflow {workflow.name!r} has two tasks named {task.name!r}; the other one is at {earlier.location}"
        fault = _fault("duplicate-task", text, "rename one of them", workflow, later)
        faults.append(ShapeFault(fault=fault, tasks=(earlier, later), key=(id(earlier), id(later))))
    return faults


def _cycle_fault(workflow: Workflow, cycle: list[AnyTask]) -> ShapeFault:
    first, last = cycle[0], cycle[-1]
    path = " → ".join(task.name for task in [*cycle, first])
    hint = f"take {first.name!r} out of on_complete of {last.name!r}"
    fault = _fault("cycle", f"workflow {workflow.name!r} has a cycle: {path}", hint, workflow, last)
    edges = frozenset(zip(map(id, cycle), map(id, [*cycle[1:], first]), strict=True))
    return ShapeFault(fault=fault, tasks=tuple(cycle), key=edges)


def _cycles(workflow: Workflow) -> list[list[AnyTask]]:
    """Depth first, with the open path at hand; without recursion, as a chain may be thousands long."""
    if not isinstance(workflow.config.starting_task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        return []
    path: list[AnyTask] = [workflow.config.starting_task]
    unvisited = [iter(path[0].children)]
    positions, finished = {id(path[0]): 0}, set[int]()
    found: dict[tuple[int, ...], list[AnyTask]] = {}
    while path:
        child = next(unvisited[-1], None)
        if child is None:
            unvisited.pop()
            done = id(path.pop())
            del positions[done]
            finished.add(done)
        elif id(child) in positions:
            cycle = path[positions[id(child)] :]
            found.setdefault(tuple(map(id, cycle)), cycle)
        elif id(child) not in finished:
            positions[id(child)] = len(path)
            path.append(child)
            unvisited.append(iter(child.children))
    return list(found.values())


def _fault(code: str, text: str, hint: str, workflow: Workflow, task: AnyTask) -> Fault:
    return Fault(code=code, message=text, hint=hint, location=task.location, workflow=workflow.name, task=task.name)
