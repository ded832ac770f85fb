"""The compiled graph: what a run carries with it, as plain JSON.

A plan says everything that is needed to run the graph and nothing about the code: names, edges, which value feeds which
task, limits. It is immutable and its hash tells two plans apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from moose_lib.plan.retrying import Retrying
from moose_lib.plan.schedule import AnySchedule


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ValueRef(_Value):
    """A value of the run: the output of `task`, or the run's input where `task` is `None`."""

    task: str | None = None

    def __str__(self) -> str:
        """`output of charge`, or `input of the run`."""
        return "input of the run" if self.task is None else f"output of {self.task}"


class FieldSource(_Value):
    """What fills one field of an assembled input; `is_list` collects all values, else there is exactly one."""

    field: str
    values: tuple[ValueRef, ...]
    is_list: bool = False


class Source(_Value):
    """Where a task's input comes from.

    `values` are the values to hand over, in order: none for "nothing", one for "run" and "task", and for "assembled"
    those of all `fields`, one field after the other. "outcome" is what a hook gets, which is no value of the run.
    """

    kind: Literal["nothing", "run", "task", "assembled", "outcome"]
    values: tuple[ValueRef, ...] = ()
    fields: tuple[FieldSource, ...] = ()

    def __str__(self) -> str:
        """One line for people: `output of charge`, `order: input of the run, receipts: [output of charge]`."""
        if self.kind == "outcome":
            return "outcome of the run"
        if self.kind != "assembled":
            return ", ".join(map(str, self.values)) or "nothing"
        return ", ".join(_describe(field) for field in self.fields)


class PlannedTask(_Value):
    """One task of a plan.

    `after` are its parents in declared order, `timeout` limits one attempt (`None`: no limit), `retries` counts the
    attempts after the first, `retrying` says how long to wait before them. `total_timeout` limits all attempts with
    their waits, `queue_timeout` each wait for a worker (`None`: no limit). `on_failure` is what follows when the
    attempts have run out. The types, and those in `no_retry_for`, are names for people; `input_fields` is the key of
    the input's fields in the plan's `models`.
    """

    name: str
    after: tuple[str, ...] = ()
    source: Source
    timeout: timedelta | None
    retries: int
    retrying: Retrying = Retrying()
    no_retry_for: tuple[str, ...] = ()
    total_timeout: timedelta | None = None
    queue_timeout: timedelta | None = None
    on_failure: Literal["fail", "park"] = "fail"
    input_type: str | None = None
    output_type: str | None = None
    input_fields: str | None = None


class Plan(_Value):
    """The compiled graph of a workflow; `tasks` are in topological order.

    `on_success` and `on_failure` are the hooks, which run after the run and are no part of its graph.

    `models` tells for each kind of input which fields it has and of what types, by path. Nothing is run by it; it tells
    what has changed when a run is resumed with the code of another day.

    Raises:
        ValidationError: the JSON it is read from is not a plan.
    """

    version: Literal[1] = 1
    workflow: str
    start: str
    tasks: tuple[PlannedTask, ...]
    timeout: timedelta | None = None
    retries: int = 0
    models: Mapping[str, Mapping[str, str]] = {}
    schedule: AnySchedule | None = None
    on_success: PlannedTask | None = None
    on_failure: PlannedTask | None = None

    @model_validator(mode="after")
    def _is_a_graph(self) -> Self:
        seen = set[str]()
        for task in self.tasks:
            fed_by = {value.task for value in task.source.values if value.task is not None}
            if task.name in seen or not (seen >= set(task.after) and seen >= fed_by):
                raise ValueError(f"task {task.name!r} is out of order or there twice")
            seen.add(task.name)
        if self.start not in seen:
            raise ValueError(f"starting task {self.start!r} is not in the plan")
        return self

    @cached_property
    def by_name(self) -> Mapping[str, PlannedTask]:
        """The tasks by their names."""
        return {task.name: task for task in self.tasks}

    @cached_property
    def children_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The names of each task's children, in topological order."""
        children: dict[str, list[str]] = {task.name: [] for task in self.tasks}
        for task in self.tasks:
            for parent in task.after:
                children[parent].append(task.name)
        return {name: tuple(found) for name, found in children.items()}

    def task(self, name: str) -> PlannedTask:
        """The task of this name; KeyError if there is none."""
        return self.by_name[name]

    @property
    def hooks(self) -> tuple[PlannedTask, ...]:
        """The tasks that may run after the run; one that is both hooks is there once."""
        return tuple(dict.fromkeys(hook for hook in (self.on_success, self.on_failure) if hook is not None))

    def find(self, name: str) -> PlannedTask | None:
        """The task or hook of this name, if there is one."""
        return {hook.name: hook for hook in self.hooks}.get(name) or self.by_name.get(name)

    def children(self, name: str) -> tuple[str, ...]:
        """The tasks that wait for `name`."""
        return self.children_by_name[name]

    @cached_property
    def last_tasks(self) -> tuple[str, ...]:
        """The tasks nothing waits for: their outputs are the result of a run."""
        return tuple(name for name, children in self.children_by_name.items() if not children)

    @cached_property
    def hash(self) -> str:
        """12 hex digits that differ between plans that differ."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def _describe(field: FieldSource) -> str:
    values = ", ".join(map(str, field.values))
    return f"{field.field}: [{values}]" if field.is_list else f"{field.field}: {values}"
