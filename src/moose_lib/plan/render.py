"""A plan as text: a tree for terminals, Mermaid and DOT for documents; also coloured, by how its tasks stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from moose_lib.plan.model import Plan, PlannedTask

Label = Callable[[PlannedTask], str]

#: Columns of indentation from which on an only child is not indented any further: twelve levels.
_DEEP = 36
#: What stands before a task: whether its branch is the last one, whether it stands below its parent.
_BRANCHES = {(False, False): "├─ ", (True, False): "└─ ", (False, True): "│↓ ", (True, True): " ↓ "}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a task looks in a drawing: the class of its box with the colour of it, and a line below its name."""

    kind: str
    fill: str
    note: str = ""


def tree(plan: Plan, label: Label | None = None) -> str:
    """The graph as an indented tree, each task once, with what feeds it.

    A join stands under the parent that comes last, with the parents it waits for. Deep down, an only child stands below
    its parent (`↓`), or long chains would leave the page. `label` writes a task's line; unset: its name and source.
    """
    return "\n".join(tree_lines(plan, label))


def tree_lines(plan: Plan, label: Label | None = None) -> Iterator[str]:
    """The lines of the same tree, one after the other: the first ones of a large graph cost little."""
    write = _line if label is None else label
    children = _branches(plan)
    yield write(plan.task(plan.start))
    unvisited = [(name, "", i == 0, False) for i, name in enumerate(reversed(children[plan.start]))]
    while unvisited:
        name, indent, is_last, is_below = unvisited.pop()
        yield f"{indent}{_BRANCHES[is_last, is_below]}{write(plan.task(name))}"
        if len(children[name]) == 1 and len(indent) >= _DEEP:
            unvisited.append((children[name][0], indent, is_last, True))
            continue
        below = indent + ("   " if is_last else "│  ")
        unvisited += [(child, below, i == 0, False) for i, child in enumerate(reversed(children[name]))]


def outline(plan: Plan) -> list[tuple[str, str]]:
    """The same tree where columns are few: each task's name with what stands before it, in order.

    Only branches are indented: what follows on a task alone stands right below it.
    """
    children = _branches(plan)
    rows = list[tuple[str, str]]()
    unvisited = [("", "", plan.start)]
    while unvisited:
        before, indent, name = unvisited.pop()
        rows.append((before, name))
        if len(children[name]) == 1:
            unvisited.append((indent, indent, children[name][0]))
            continue
        for i, child in enumerate(reversed(children[name])):
            unvisited.append((indent + ("├ " if i else "└ "), indent + ("│ " if i else "  "), child))
    return rows


def _branches(plan: Plan) -> Mapping[str, Sequence[str]]:
    """The tasks that stand under each task: a join under its last parent."""
    children: dict[str, list[str]] = {task.name: [] for task in plan.tasks}
    for task in plan.tasks:
        if task.after:
            children[task.after[-1]].append(task.name)
    return children


def mermaid(plan: Plan, looks: Mapping[str, Look] | None = None, title: str | None = None) -> str:
    """The graph as a Mermaid flowchart; edges say where a value comes from another task than the parent.

    `looks` colours tasks by their names, and `title` is a comment above, with what the colours mean.
    """
    numbers = {task.name: f"t{i}" for i, task in enumerate(plan.tasks)}
    looks = looks or {}
    lines = ["flowchart TD", *(f"    %% {line}" for line in _legend(looks, title))]
    lines += [f"    {numbers[task.name]}{_mermaid_box(task.name, looks.get(task.name))}" for task in plan.tasks]
    for task in plan.tasks:
        lines += [f"    {numbers[parent]} --> {numbers[task.name]}" for parent in task.after]
        lines += [f"    {numbers[name]} -. value .-> {numbers[task.name]}" for name in _distant_sources(task)]
    lines += [f"    classDef {kind} fill:{fill},stroke:#495057,color:#212529" for kind, fill in _kinds(looks).items()]
    return "\n".join(lines)


def dot(plan: Plan, looks: Mapping[str, Look] | None = None, title: str | None = None) -> str:
    """The graph for Graphviz; dashed edges are values that come from another task than the parent.

    `looks` and `title` are as for Mermaid.
    """
    looks = looks or {}
    lines = [f"digraph {_quoted(plan.workflow)} {{", *(f"  // {line}" for line in _legend(looks, title))]
    lines += [f"  {_quoted(task.name)}{_dot_box(task.name, looks.get(task.name))};" for task in plan.tasks]
    for task in plan.tasks:
        lines += [f"  {_quoted(parent)} -> {_quoted(task.name)};" for parent in task.after]
        lines += [f"  {_quoted(name)} -> {_quoted(task.name)} [style=dashed];" for name in _distant_sources(task)]
    return "\n".join([*lines, "}"])


def _mermaid_box(name: str, look: Look | None) -> str:
    if look is None:
        return f'["{name}"]'
    return f'["{name}{"<br/>" if look.note else ""}{look.note}"]:::{look.kind}'


def _dot_box(name: str, look: Look | None) -> str:
    if look is None:
        return ""
    label = _quoted(f"{name}\n{look.note}" if look.note else name)
    return f" [label={label}, style=filled, fillcolor={_quoted(look.fill)}]"


def _legend(looks: Mapping[str, Look], title: str | None) -> list[str]:
    """One line each, whatever is in them."""
    colours = ", ".join(f"{kind} = {fill}" for kind, fill in _kinds(looks).items())
    return [" ".join(line.split()) for line in (title, colours) if line]


def _kinds(looks: Mapping[str, Look]) -> dict[str, str]:
    return {look.kind: look.fill for look in looks.values()}


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
