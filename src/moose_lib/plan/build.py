"""From declared workflows to plans, or to all the faults that prevent them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pydantic import BaseModel

from moose_lib.dmv2.workflow import Workflow
from moose_lib.durations import parse_duration
from moose_lib.errors import Fault, InvalidDefinition
from moose_lib.plan.graph import AnyTask, Graph, shape_faults
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.wiring import Unwired, wire

#: Longest time for one attempt of a task that does not say; the existing Moose's, and users rely on it.
DEFAULT_TIMEOUT = timedelta(hours=1)

#: Attempts after the first for a task that does not say; the existing Moose's.
DEFAULT_RETRIES = 3


def compile_workflow(workflow: Workflow) -> Plan:
    """The plan of one workflow.

    Raises:
        InvalidDefinition: with every fault of the workflow.
    """
    return compile_workflows([workflow])[workflow.name]


def compile_workflows(workflows: Iterable[Workflow]) -> dict[str, Plan]:
    """The plans by workflow name.

    Raises:
        InvalidDefinition: with every fault of all workflows.
    """
    plans, faults = try_compile(workflows)
    if faults:
        raise InvalidDefinition(faults)
    return plans


def try_compile(workflows: Iterable[Workflow]) -> tuple[dict[str, Plan], list[Fault]]:
    """The plans of the workflows that have one, and the faults of the others; each fault once."""
    plans: dict[str, Plan] = {}
    faults: dict[Fault, None] = {}
    for workflow in workflows:
        found = _settings_faults(workflow) + shape_faults(workflow)
        if not any(fault.code in ("cycle", "duplicate-task", "no-starting-task") for fault in found):
            planned, unwired = _planned_tasks(Graph(workflow), is_checked=not found)
            found += unwired
            if not found:
                plans[workflow.name] = _plan(workflow, planned)
        faults |= dict.fromkeys(found)
    return plans, list(faults)


def _settings_faults(workflow: Workflow) -> list[Fault]:
    return workflow.config_faults() + [fault for task in workflow.tasks() for fault in task.config_faults()]


def _planned_tasks(graph: Graph, *, is_checked: bool) -> tuple[list[PlannedTask], list[Fault]]:
    planned, faults = list[PlannedTask](), list[Fault]()
    for task in graph.tasks.values():
        if not _is_sound(graph, task):
            continue
        try:
            source = wire(graph, task)
        except Unwired as unwired:
            faults.append(unwired.fault)
            continue
        if is_checked:
            planned.append(_planned(graph, task, source))
    return planned, faults


def _is_sound(graph: Graph, task: AnyTask) -> bool:
    """Whether the types it depends on are known; a wrong type is one fault, not one more for each task behind it."""
    if all(it.is_sound for it in graph.tasks.values()):
        return True
    upstream = [graph.tasks[name] for level in graph.levels_before(task.name) for name in level]
    return all(it.is_sound for it in (task, graph.start, *upstream))


def _planned(graph: Graph, task: AnyTask, source: Source) -> PlannedTask:
    config = task.config
    return PlannedTask(
        name=task.name,
        after=tuple(graph.parents[task.name]),
        source=source,
        timeout=DEFAULT_TIMEOUT if config.timeout is None else parse_duration(config.timeout),
        retries=DEFAULT_RETRIES if config.retries is None else config.retries,
        input_type=_type_name(task.input_type),
        output_type=_type_name(task.output_type),
    )


def _plan(workflow: Workflow, tasks: list[PlannedTask]) -> Plan:
    config = workflow.config
    return Plan(
        workflow=workflow.name,
        start=config.starting_task.name,
        tasks=tuple(tasks),
        timeout=None if config.timeout is None else parse_duration(config.timeout),
        retries=0 if config.retries is None else config.retries,
        schedule=config.schedule,
    )


def _type_name(model: type[BaseModel] | None) -> str | None:
    return None if model is None else model.__name__
