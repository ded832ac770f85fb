"""The declared graph of one workflow, turned round: who comes before whom, and whose output is nearest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeAlias

from pydantic import BaseModel

from moose_lib.dmv2.workflow import Task, Workflow

AnyTask: TypeAlias = Task[Any, Any]  # Any: each task of a graph has models of its own

#: The nearest tasks that give something, and how many edges away they are.
_Nearest = tuple[int, tuple[str, ...]]


class Graph:
    """The tasks of a workflow by name, in topological order, with their parents in declared order."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.tasks: dict[str, AnyTask] = {task.name: task for task in workflow.tasks()}
        parents: dict[str, dict[str, None]] = {name: {} for name in self.tasks}
        for task in self.tasks.values():
            for child in task.children:
                parents.setdefault(child.name, {})[task.name] = None
        self.parents = {name: list(found) for name, found in parents.items()}
        self._nearest: dict[tuple[type[BaseModel], str | None], dict[str, _Nearest]] = {}
        self._givers: dict[type[BaseModel], frozenset[str]] = {}
        self._after: dict[str, set[str]] = {}

    @property
    def start(self) -> AnyTask:
        """The starting task."""
        return self.workflow.config.starting_task

    def givers(self, model: type[BaseModel]) -> frozenset[str]:
        """The tasks anywhere in the graph whose output is a `model`."""
        if model not in self._givers:
            found = (name for name, task in self.tasks.items() if issubclass(task.output_type or object, model))
            self._givers[model] = frozenset(found)
        return self._givers[model]

    def nearest(self, name: str, model: type[BaseModel], *, called: str | None = None) -> tuple[str, ...]:
        """The tasks before `name` that give a `model`, the fewest edges away; `called`: only those of that name."""
        givers = self.givers(model)
        if called is not None:
            givers &= self._by_word.get(_word(called), frozenset())
        if not givers:
            return ()
        direct = tuple(parent for parent in self.parents[name] if parent in givers)
        if direct:
            return direct
        key = (model, None if called is None else _word(called))
        if key not in self._nearest:
            self._nearest[key] = self._nearest_of_each(givers)
        return self._nearest[key].get(name, (0, ()))[1]

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

    def is_before(self, earlier: str, later: str) -> bool:
        """Whether `later` waits for `earlier`, directly or not."""
        if earlier in self.parents[later]:
            return True
        if earlier not in self._after:
            self._after[earlier] = self.after({earlier})
        return later in self._after[earlier]

    def after(self, roots: set[str]) -> set[str]:
        """The tasks that wait for one of `roots`, directly or not."""
        found, unvisited = set[str](), list(roots)
        while unvisited:
            children = {child.name for child in self.tasks[unvisited.pop()].children} - found
            found |= children
            unvisited += children
        return found

    def _nearest_of_each(self, givers: frozenset[str]) -> dict[str, _Nearest]:
        """In topological order, so that the answer for a task follows from those for its parents."""
        found: dict[str, _Nearest] = {}
        for name, parents in self.parents.items():
            direct = tuple(parent for parent in parents if parent in givers)
            if direct:
                found[name] = (1, direct)
                continue
            further = [found[parent] for parent in parents if parent in found]
            if further:
                distance = min(distance for distance, _ in further)
                names = dict.fromkeys(name for away, names in further if away == distance for name in names)
                found[name] = (distance + 1, tuple(names))
        return found

    @cached_property
    def _by_word(self) -> dict[str, frozenset[str]]:
        words: dict[str, set[str]] = {}
        for name in self.tasks:
            words.setdefault(_word(name), set()).add(name)
        return {word: frozenset(names) for word, names in words.items()}


def _word(name: str) -> str:
    """`checkInventory`, `check-inventory` and `check_inventory` are one word."""
    return "".join(filter(str.isalnum, name)).lower()
