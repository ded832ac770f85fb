"""Which value feeds a task, decided from the declared types before anything runs.

The handler's input type decides, in this order: nothing; the nearest upstream output of that type; the run's input; an
input assembled field by field; the only parent's output, read as the input model. `input_from` overrides all. What is
not decided by these is a fault, never a guess.
"""

from __future__ import annotations

from pydantic import BaseModel

from moose_lib.dmv2.workflow import Task
from moose_lib.errors import Fault
from moose_lib.plan.fitting import Need, needs, structural_gaps
from moose_lib.plan.graph import AnyTask, Graph
from moose_lib.plan.model import FieldSource, Source, ValueRef

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
    if task is graph.start:
        return FROM_RUN
    if task.config.input_from is not None:
        return _told(graph, task, wanted)
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
        if not any(graph.tasks[name] is told for level in graph.levels_before(task.name) for name in level):
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
    for level in graph.levels_before(task.name):
        candidates = _giving(graph, level, wanted)
        if len(candidates) > 1:
            raise Unwired(_ambiguous(graph, task, f"its input {wanted.__name__}", candidates))
        if candidates:
            return _from_task(candidates[0])
    return None


def _assembled(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Source | None:
    fields = [_fill(graph, task, wanted, need) for need in needs(wanted) or ()]
    filled = [field for field in fields if field is not None]
    if not filled or len(filled) < len(fields):
        return None
    values = tuple(value for field in filled for value in field.values)
    return Source(kind="assembled", values=values, fields=tuple(filled))


def _fill(graph: Graph, task: AnyTask, wanted: type[BaseModel], need: Need) -> FieldSource | None:
    if need.is_list:
        parents = _giving(graph, graph.parents[task.name], need.model)
        values = tuple(ValueRef(task=name) for name in parents)
        return FieldSource(field=need.field, values=values, is_list=True) if values else None
    nearest: list[str] = []
    for level in graph.levels_before(task.name):
        candidates = _giving(graph, level, need.model)
        named = [name for name in candidates if _same_word(name, need.field)]
        if named:
            return FieldSource(field=need.field, values=(ValueRef(task=named[0]),))
        nearest = nearest or candidates
    if len(nearest) > 1:
        what = f"field {need.field!r} ({need.model.__name__}) of its input {wanted.__name__}"
        raise Unwired(_ambiguous(graph, task, what, nearest))
    if nearest:
        return FieldSource(field=need.field, values=(ValueRef(task=nearest[0]),))
    return FieldSource(field=need.field, values=(ValueRef(),)) if _run_fits(graph, need.model) else None


def _from_only_parent(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Source | None:
    parents = graph.parents[task.name]
    offered = graph.tasks[parents[0]].output_type
    if len(parents) != 1 or offered is None or structural_gaps(offered, wanted):
        return None
    return _from_task(parents[0])


def _giving(graph: Graph, names: list[str], wanted: type[BaseModel]) -> list[str]:
    """Those of `names` whose output is a `wanted`."""
    return [name for name in names if issubclass(graph.tasks[name].output_type or object, wanted)]


def _run_fits(graph: Graph, wanted: type[BaseModel]) -> bool:
    return issubclass(graph.start.input_type or object, wanted)


def _from_task(name: str) -> Source:
    return Source(kind="task", values=(ValueRef(task=name),))


def _same_word(task: str, field: str) -> bool:
    """`checkInventory`, `check-inventory` and `check_inventory` are one word."""
    return "".join(filter(str.isalnum, task)).lower() == field.replace("_", "").lower()


def _ambiguous(graph: Graph, task: AnyTask, what: str, candidates: list[str]) -> Fault:
    names = ", ".join(repr(name) for name in candidates)
    hint = f"set input_from to one of {names}, or take a model with a field named after each"
    return _fault(graph, task, "ambiguous-input", f"{what} could come from {names}, equally near", hint)


def _no_value(graph: Graph, task: AnyTask, wanted: type[BaseModel]) -> Fault:
    seen = [
        f"{n!r} → {_type_name(graph.tasks[n].output_type)}" for level in graph.levels_before(task.name) for n in level
    ]
    offered = f"upstream are {', '.join(seen)}; the run's input is {_type_name(graph.start.input_type)}"
    reasons = list[str]()
    parents = graph.parents[task.name]
    only = graph.tasks[parents[0]].output_type if len(parents) == 1 else None
    if only is not None:
        reasons = structural_gaps(only, wanted)
    text = f"nothing gives its input {wanted.__name__} ({'; '.join([offered, *reasons])})"
    hint = f"let a task before it return {wanted.__name__}, or take a model whose fields are outputs of tasks before it"
    return _fault(graph, task, "no-input", text, hint)


def _type_name(model: type[BaseModel] | None) -> str:
    return "nothing" if model is None else model.__name__


def _fault(graph: Graph, task: AnyTask, code: str, text: str, hint: str | None) -> Fault:
    message = f"task {task.name!r}: {text}"
    return Fault(
        code=code, message=message, hint=hint, location=task.location, workflow=graph.workflow.name, task=task.name
    )
