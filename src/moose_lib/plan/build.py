"""From declared workflows to plans, or to all the faults that prevent them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, PydanticUndefinedAnnotation, PydanticUserError

from moose_lib.dmv2.workflow import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.durations import parse_duration
from moose_lib.errors import Fault, InvalidDefinition
from moose_lib.plan.fields import fields_of, fingerprint
from moose_lib.plan.graph import AnyTask, Graph
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.retrying import Retrying
from moose_lib.plan.schedule import plan_schedule, schedule_input_faults
from moose_lib.plan.shape import ShapeFault, shape_faults
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
    """The plans of the workflows that have one, and the faults of the others; each fault once.

    A task may belong to several workflows, so that a mistake would be found in each of them.
    """
    plans: dict[str, Plan] = {}
    faults: dict[Hashable, Fault] = {}
    for workflow in workflows:
        shape = shape_faults(workflow)
        found: dict[Hashable, Fault] = {it.key: it.fault for it in shape}
        found |= {_key(fault): fault for fault in _settings_faults(workflow) + _model_faults(workflow)}
        found |= {_key(fault): fault for fault in schedule_input_faults(workflow)}
        planned, unwired = _planned_tasks(workflow, shape, is_checked=not found)
        found |= {_key(fault): fault for fault in unwired}
        if not found and len(planned) == len(workflow.tasks()):
            plans[workflow.name] = _plan(workflow, planned)
        faults |= {key: fault for key, fault in found.items() if key not in faults}
    return plans, list(faults.values())


def _key(fault: Fault) -> Hashable:
    return fault.code, fault.message, fault.location


def _settings_faults(workflow: Workflow) -> list[Fault]:
    return workflow.config_faults() + [fault for task in _all_tasks(workflow) for fault in task.config_faults()]


def _all_tasks(workflow: Workflow) -> list[AnyTask]:
    """Those of the graph, and the hooks."""
    return [*workflow.tasks(), *dict.fromkeys(workflow.hooks().values())]


def _model_faults(workflow: Workflow) -> list[Fault]:
    """Models may name types that are declared after them; by now these have to be there."""
    faults = list[Fault]()
    for task in _all_tasks(workflow):
        for model in dict.fromkeys(_models(task)):
            try:
                model.model_rebuild()
            except (PydanticUserError, PydanticUndefinedAnnotation) as error:
                text = f"task {task.name!r}: model {model.__name__} is not complete: {error.message.splitlines()[0]}"
                faults.append(Fault(code="not-a-model", message=text, location=task.location, task=task.name))
    return faults


def _planned_tasks(
    workflow: Workflow, shape: list[ShapeFault], *, is_checked: bool
) -> tuple[list[PlannedTask], list[Fault]]:
    if not isinstance(workflow.config.starting_task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        return [], []
    graph = Graph(workflow)
    undecided = _undecided(graph, shape)
    planned, faults = list[PlannedTask](), list[Fault]()
    for task in graph.tasks.values():
        try:
            source = wire(graph, task)
        except Unwired as unwired:
            if task.name not in undecided:
                faults.append(unwired.fault)
            continue
        if is_checked and task.is_input_known and task.is_output_known:
            planned.append(_planned(task, source, workflow.config, after=graph.parents[task.name]))
    return planned, faults


def _undecided(graph: Graph, shape: list[ShapeFault]) -> set[str]:
    """Tasks that may lack a value only because of another fault; that one is told, not one more for each task."""
    broken = {task.name for it in shape for task in it.tasks}
    broken |= {graph.start.name} if not graph.start.is_input_known else set()
    broken |= {name for name, task in graph.tasks.items() if not all(it.__pydantic_complete__ for it in _models(task))}
    unknown = {name for name, task in graph.tasks.items() if not task.is_output_known}
    return broken | graph.after(broken | unknown)


def _models(task: AnyTask) -> list[type[BaseModel]]:
    return [model for model in (task.input_type, task.output_type) if model is not None]


def _planned(task: AnyTask, source: Source, workflow: WorkflowConfig, *, after: Sequence[str] = ()) -> PlannedTask:
    config = task.config
    default_on_failure = "fail" if workflow.on_task_failure is None else workflow.on_task_failure
    return PlannedTask(
        name=task.name,
        after=tuple(after),
        source=source,
        timeout=DEFAULT_TIMEOUT if config.timeout is None else parse_duration(config.timeout),
        retries=DEFAULT_RETRIES if config.retries is None else config.retries,
        retrying=_retrying(config),
        no_retry_for=tuple(kind.__qualname__ for kind in config.no_retry_for),
        total_timeout=_limit(config.total_timeout),
        queue_timeout=_limit(config.queue_timeout),
        on_failure=default_on_failure if config.on_failure is None else config.on_failure,
        input_type=_type_name(task.input_type),
        output_type=_type_name(task.output_type),
        input_fields=None if task.input_type is None else fingerprint(fields_of(task.input_type)),
    )


def _retrying(config: TaskConfig[Any, Any]) -> Retrying:  # Any: only the settings matter here
    unset = Retrying()
    delay = _limit(config.retry_delay) or unset.delay  # never zero
    return Retrying(
        delay=delay,
        backoff=unset.backoff if config.retry_backoff is None else config.retry_backoff,
        max_delay=_limit(config.retry_max_delay) or max(delay, unset.max_delay),  # never zero
        jitter=unset.jitter if config.retry_jitter is None else config.retry_jitter,
    )


def _limit(text: str | None) -> timedelta | None:
    return None if text is None else parse_duration(text)


def _hook(workflow: Workflow, role: str) -> PlannedTask | None:
    """What runs after the run. It cannot be parked: by then nothing waits for a decision."""
    hook = workflow.hooks().get(role)
    if hook is None:
        return None
    is_fed = hook.input_type is not None and hook.signature.kind != "nothing"
    planned = _planned(hook, Source(kind="outcome" if is_fed else "nothing"), workflow.config)
    return planned.model_copy(update={"on_failure": "fail", "input_fields": None})


def _plan(workflow: Workflow, tasks: list[PlannedTask]) -> Plan:
    config = workflow.config
    return Plan(
        workflow=workflow.name,
        start=config.starting_task.name,
        tasks=tuple(tasks),
        timeout=_limit(config.timeout),
        retries=0 if config.retries is None else config.retries,
        schedule=None if config.schedule is None else plan_schedule(config.schedule, config.starting_task.input_type),
        models=_models_of(workflow),
        on_success=_hook(workflow, "on_success"),
        on_failure=_hook(workflow, "on_failure"),
    )


def _models_of(workflow: Workflow) -> dict[str, Mapping[str, str]]:
    """The fields of all inputs, each kind of input once."""
    fields = [fields_of(task.input_type) for task in workflow.tasks() if task.input_type is not None]
    return {fingerprint(each): each for each in fields}


def _type_name(model: type[BaseModel] | None) -> str | None:
    return None if model is None else model.__name__
