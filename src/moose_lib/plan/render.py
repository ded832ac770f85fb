"""A plan as text: a tree for terminals, Mermaid and DOT for documents."""

from __future__ import annotations

import json
from collections.abc import Callable

from moose_lib.plan.model import Plan, PlannedTask

Label = Callable[[PlannedTask], str]

#: Columns of indentation from which on an only child is not indented any further: twelve levels.
_DEEP = 36
#: What stands before a task: whether its branch is the last one, whether it stands below its parent.
_BRANCHES = {(False, False): "├─ ", (True, False): "└─ ", (False, True): "│↓ ", (True, True): " ↓ "}


def tree(plan: Plan, label: Label | None = None) -> str:
    """The graph as an indented tree, each task once, with what feeds it.

    A join stands under the parent that comes last, with the parents it waits for. Deep down, an only child stands below
    its parent (`↓`), or long chains would leave the page. `label` writes a task's line; unset: its name and source.
    """
    write = _line if label is None else label
    children: dict[str, list[str]] = {task.name: [] for task in plan.tasks}
    for task in plan.tasks:
        if task.after:
            children[task.after[-1]].append(task.name)
    lines = [write(plan.task(plan.start))]
    unvisited = [(name, "", i == 0, False) for i, name in enumerate(reversed(children[plan.start]))]
    while unvisited:
        name, indent, is_last, is_below = unvisited.pop()
        lines.append(f"{indent}{_BRANCHES[is_last, is_below]}{write(plan.task(name))}")
        if len(children[name]) == 1 and len(indent) >= _DEEP:
            unvisited.append((children[name][0], indent, is_last, True))
            continue
        below = indent + ("   " if is_last else "│  ")
        unvisited += [(child, below, i == 0, False) for i, child in enumerate(reversed(children[name]))]
    return "\n".join(lines)


def mermaid(plan: Plan) -> str:
    """The graph as a Mermaid flowchart; edges say where a value comes from another task than the parent."""
    numbers = {task.name: f"t{i}" for i, task in enumerate(plan.tasks)}
    lines = ["flowchart TD", *(f'    {numbers[task.name]}["{task.name}"]' for task in plan.tasks)]
    for task in plan.tasks:
        lines += [f"    {numbers[parent]} --> {numbers[task.name]}" for parent in task.after]
        lines += [f"    {numbers[name]} -. value .-> {numbers[task.name]}" for name in _distant_sources(task)]
    return "\n".join(lines)


def dot(plan: Plan) -> str:
    """The graph for Graphviz; dashed edges are values that come from another task than the parent."""
    lines = [f"digraph {_quoted(plan.workflow)} {{"]
    lines += [f"  {_quoted(task.name)};" for task in plan.tasks]
    for task in plan.tasks:
        lines += [f"  {_quoted(parent)} -> {_quoted(task.name)};" for parent in task.after]
        lines += [f"  {_quoted(name)} -> {_quoted(task.name)} [style=dashed];" for name in _distant_sources(task)]
    return "\n".join([*lines, "}"])


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _line(task: PlannedTask) -> str:
    after = f" after {', '.join(task.after)}" if len(task.after) > 1 else ""
    source = "" if task.source.kind == "nothing" else f" ← {task.source}"
    typed = "" if task.source.kind == "nothing" else f" ({task.input_type})"
    return f"{task.name}{after}{source}{typed}"


def _distant_sources(task: PlannedTask) -> list[str]:
    names = dict.fromkeys(value.task for value in task.source.values if value.task is not None)
    return [name for name in names if name not in task.after]
