"""Graphs for the tests of plans: declared in one line, and drawn at random."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from moose_lib.dmv2.workflow import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.plan.model import Plan, PlannedTask, Source

AnyTask = Task[Any, Any]  # Any: tasks of all models
Model = type[BaseModel] | None


def task(name: str, given: Model = None, result: Model = None, **settings: Any) -> AnyTask:  # Any: a task's settings
    """A task whose handler says nothing, so that only the declared models count."""
    subscripted: Any = Task  # Any: the models are known at run time only
    run: Any = _without_input if given is None else _with_input  # Any: as above
    made: AnyTask = subscripted[given, result](name=name, config=TaskConfig(run=run, **settings))
    return made


def flow(start: AnyTask, name: str = "Flow", **settings: Any) -> Workflow:  # Any: a workflow's settings
    return Workflow(name=name, config=WorkflowConfig(starting_task=start, **settings))


def connect(tasks: Mapping[str, AnyTask], edges: Iterable[tuple[str, str]]) -> None:
    for parent, child in edges:
        config = tasks[parent].config
        config.on_complete = [*(config.on_complete or []), tasks[child]]


def chain(*tasks: AnyTask) -> Workflow:
    for parent, child in itertools.pairwise(tasks):
        parent.config.on_complete = [*(parent.config.on_complete or []), child]
    return flow(tasks[0])


def plan_of(after: Mapping[str, Iterable[str]]) -> Plan:
    """A plan from each task's parents, in topological order."""
    return Plan(
        workflow="Flow",
        start=next(iter(after)),
        tasks=tuple(
            PlannedTask(name=name, after=tuple(parents), source=Source(kind="nothing"), timeout=None, retries=0)
            for name, parents in after.items()
        ),
    )


@st.composite
def parents_of_tasks(draw: st.DrawFn, *, most: int = 9) -> dict[str, list[str]]:
    """A random graph that starts with one task: the parents of each, in topological order."""
    names = [f"t{number}" for number in range(draw(st.integers(1, most)))]
    after: dict[str, list[str]] = {names[0]: []}
    for name in names[1:]:
        earlier = list(after)
        after[name] = draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3, unique=True))
    return after


def _without_input() -> Any: ...  # Any: says nothing about the output


def _with_input(_: Any) -> Any: ...  # Any: as above
