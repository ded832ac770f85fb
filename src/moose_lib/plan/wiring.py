"""Which value feeds a task, decided from the declared types before anything runs.

The handler's input type decides, in this order: nothing; the nearest upstream output of that type; the run's input; an
input assembled field by field; the only parent's output, read as the input model. `input_from` overrides all. What is
not decided by these is a fault, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from moose_lib.dmv2.workflow import Task
from moose_lib.errors import Fault
from moose_lib.plan.fitting import Need, needs, structural_gaps
from moose_lib.plan.graph import AnyTask, Graph
from moose_lib.plan.model import FieldSource, Source, ValueRef

#: How many tasks or candidates a message lists.
_LISTED = 6

NOTHING = Source(kind="nothing")
FROM_RUN = Source(kind="run", values=(ValueRef(),))


class Unwired(Exception):
    """No value, or more than one, for a task's input; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def wire(graph: Graph, task: AnyTask) -> Source:
    """Where `task` gets its input from.

    Raises:
        Unwired: nothing fits, or several values fit equally well.
    """
    wanted = task.input_type
    if wanted is None or task.signature.kind == "nothing":
        return NOTHING
    if task.config.input_from is not None:
        return _told(graph, task, wanted)
    if task is graph.start:
        return FROM_RUN
    source = _nearest(graph, task, wanted)
    if source is None and _run_fits(graph, wanted):
        source = FROM_RUN
    if source is None:
        source = _assembled(graph, task, wanted)
    if source is None:
        source = _from_only_parent(graph, task, wanted)
    if source is None:
        raise Unwired(_no_value(graph, task, wanted))
    return source


def _told(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Source:
    told = task.config.input_from
    if not isinstance(told, Task):
        offered = graph.start.input_type
        where, source = "the run's input", FROM_RUN
    else:
        if graph.tasks.get(told.name) is not told or not graph.is_before(told.name, task.name):
            text = f"input_from is task {told.name!r}, which does not come before it"
            raise Unwired(_fault(graph, task, "bad-input-from", text, "name a task it waits for, directly or not"))
        offered = told.output_type
        where, source = f"the output of {told.name!r}", _from_task(told.name)
    if offered is None:
        raise Unwired(_fault(graph, task, "bad-input-from", f"input_from is {where}, which is nothing", None))
    gaps = [] if issubclass(offered, wanted) else structural_gaps(offered, wanted)
    if gaps:
        text = f"input_from is {where}, which does not fit {wanted.__name__}: {'; '.join(gaps)}"
        raise Unwired(_fault(graph, task, "bad-input-from", text, None))
    return source


def _nearest(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Source | None:
    candidates = graph.nearest(task.name, wanted)
    if len(candidates) > 1:
        names = _some(map(repr, candidates))
        hint = f"set input_from to one of {names}, or take a model with a field named after each"
        raise Unwired(_ambiguous(graph, task, f"its input {wanted.__name__}", names, hint))
    return _from_task(candidates[0]) if candidates else None


def _assembled(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Source | None:
    wishes = needs(wanted) or []
    choices = [_choices(graph, task, need) for need in wishes]
    if not wishes or not all(choices):
        return None
    for need, found in zip(wishes, choices, strict=True):
        if len(found) > 1 and not need.is_list:
            what = f"field {need.field!r} ({need.model.__name__}) of its input {wanted.__name__}"
            hint = "name the field after the task that is to fill it"
            raise Unwired(_ambiguous(graph, task, what, _some(repr(value.task) for value in found), hint))
    fields = tuple(
        FieldSource(field=need.field, values=found, is_list=need.is_list)
        for need, found in zip(wishes, choices, strict=True)
    )
    return Source(kind="assembled", values=tuple(value for field in fields for value in field.values), fields=fields)


def _choices(graph: Graph, task: AnyTask, need: Need) -> tuple[ValueRef, ...]:
    """The values that could fill a field; for a list all of them do."""
    if need.is_list:
        givers = graph.givers(need.model)
        return tuple(ValueRef(task=name) for name in graph.parents[task.name] if name in givers)
    named = graph.nearest(task.name, need.model, called=need.field)
    if need.field in named:
        return (ValueRef(task=need.field),)
    found = named or graph.nearest(task.name, need.model)
    if not found and _run_fits(graph, need.model):
        return (ValueRef(),)
    return tuple(ValueRef(task=name) for name in found)


def _from_only_parent(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Source | None:
    offered = _only_output(graph, task)
    if offered is None or structural_gaps(offered, wanted):
        return None
    return _from_task(graph.parents[task.name][0])


def _only_output(graph: Graph, task: AnyTask) -> type[BaseModel] | None:
    parents = graph.parents[task.name]
    return graph.tasks[parents[0]].output_type if len(parents) == 1 else None


def _run_fits(graph: Graph, wanted: type[BaseModel]) -> bool:
    return issubclass(graph.start.input_type or object, wanted)


def _from_task(name: str) -> Source:
    return Source(kind="task", values=(ValueRef(task=name),))


def _some(texts: Iterable[str]) -> str:
    """The texts as a list in a sentence, which the reader does not want to scroll."""
    listed = list(texts)
    more = f" and {len(listed) - _LISTED:,} more" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more


def _ambiguous(graph: Graph, task: AnyTask, what: str, names: str, hint: str) -> Fault:
    return _fault(graph, task, "ambiguous-input", f"{what} could come from {names}, equally near", hint)


def _no_value(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Fault:
    before = [name for level in graph.levels_before(task.name) for name in level]
    seen = _some(f"{name!r} gives {_type_name(graph.tasks[name].output_type)}" for name in before)
    only = _only_output(graph, task)
    reasons = [] if only is None else structural_gaps(only, wanted)
    offered = [f"before it {seen}", f"the run's input is {_type_name(graph.start.input_type)}", *reasons]
    text = f"nothing gives its input {wanted.__name__}: {'; '.join(offered)}"
    hint = f"let a task before it return {wanted.__name__}, or take a model whose fields are outputs of tasks before it"
    return _fault(graph, task, "no-input", text, hint)


def _type_name(model: type[BaseModel] | None) -> str:
    return "nothing" if model is None else model.__name__


def _fault(graph: Graph, task: AnyTask, code: str, text: str, hint: str | None) -> Fault:
    message = f"task {task.name!r}: {text}"
    return Fault(
        code=code, message=message, hint=hint, location=task.location, workflow=graph.workflow.name, task=task.name
    )
