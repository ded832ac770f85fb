"""What a user declares: tasks, how they are configured, and the workflow that starts with one of them."""

from __future__ import annotations

import logging
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, cast

from pydantic import BaseModel
from typing_extensions import TypeVar

from moose_lib.dmv2 import _registry, _rules
from moose_lib.dmv2.signature import (
    ANYTHING,
    Signature,
    UnusableHandler,
    contradictions,
    handler_name,
    read_signature,
    takes_anything,
)
from moose_lib.errors import Fault, Location

In = TypeVar("In", bound=BaseModel | None, default=Any)
Out = TypeVar("Out", bound=BaseModel | None, default=Any)


#: `In` and `Out`.
_MODELS_OF_A_TASK = 2


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Which attempt of which task of which run a handler is working for. `attempt` counts from 1."""

    workflow: str
    workflow_id: str
    run_id: str
    task: str
    attempt: int


@dataclass(kw_only=True)
class TaskContext(Generic[In]):
    """What a handler can ask for instead of its bare input.

    `input` is the validated input (`None` for a task without one). `state` is a fresh dict for each attempt that `run`
    shares with `on_cancel`; it is not durable. `logger` writes with the run, task and attempt attached.

    Example:
        async def charge(ctx: TaskContext[Order]) -> Receipt:
            ctx.logger.info("charging", extra={"order": ctx.input.order_id})
    """

    input: In
    run: RunInfo
    logger: logging.LoggerAdapter[logging.Logger]
    state: dict[str, Any] = field(default_factory=dict)  # Any: users keep what they like in it


Handler: TypeAlias = (
    Callable[[In], Awaitable[Out]]
    | Callable[[TaskContext[In]], Awaitable[Out]]
    | Callable[[], Awaitable[Out]]
    | Callable[[In], Out]
    | Callable[[TaskContext[In]], Out]
    | Callable[[], Out]
)
CancelHandler: TypeAlias = Callable[[TaskContext[In]], Awaitable[None]] | Callable[[TaskContext[In]], None]


@dataclass
class TaskConfig(Generic[In, Out]):
    """How a task runs.

    Attributes:
        run: the handler, `async def` or `def`; takes nothing, the input or a `TaskContext`; returns the output.
        on_complete: tasks that start, together, when this one has completed.
        timeout: longest time for one attempt, as "30s", "5m", "never"; unset: one hour.
        retries: further attempts after the first failed; 0 means none; unset: 3.
        on_cancel: called with the context of `run` when a running attempt is canceled.
        input_from: the task whose output feeds this one, or "run" for the run's input, where types do not decide.

    Example:
        TaskConfig(run=charge, timeout="30s", retries=5, on_complete=[ship])
    """

    run: Handler[In, Out]
    on_complete: list[Task[Any, Any]] | None = None  # Any: each has models of its own
    timeout: str | None = None
    retries: int | None = None
    on_cancel: CancelHandler[In] | None = field(default=None, kw_only=True)
    input_from: Task[Any, Any] | Literal["run"] | None = field(default=None, kw_only=True)  # Any: as above


class Task(Generic[In, Out]):
    """A unit of work with a typed input and output; `Task[In, Out](name=…, config=…)`.

    `In` and `Out` are pydantic models or `None`. A task belongs to every workflow that reaches it.

    Raises:
        InvalidDefinition: the name, a type, the handler or a setting is wrong. While a project loads, these are
            collected and reported together.

    Example:
        charge = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge_card, retries=5))
    """

    name: str
    config: TaskConfig[In, Out]
    input_type: type[BaseModel] | None
    output_type: type[BaseModel] | None
    signature: Signature
    location: Location
    is_input_known: bool  # else `input_type` is None because what was declared is not a model
    is_output_known: bool  # likewise

    if not TYPE_CHECKING:

        def __class_getitem__(cls, models: object) -> _TypedTask:
            arguments = models if isinstance(models, tuple) else (models,)
            return _TypedTask(cls, arguments)

    def __init__(
        self,
        name: str,
        config: TaskConfig[In, Out],
        *,
        t: tuple[object, ...] = (),
    ) -> None:
        self.name = name if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  # users' names are not type-checked
        self.location = _registry.caller_location()
        faults = [self._fault(code, text, hint) for code, text, hint in _rules.name_faults("task", name)]
        faults += self._read_models(t)
        if isinstance(config, TaskConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            self.config = config
            faults += self._read_handler() + self.config_faults()
        else:
            self.config = TaskConfig(run=_no_handler)  # so that code which goes on to chain it can
            self.signature = _UNKNOWN_SIGNATURE
            text = f"config is {config!r}, which is not a TaskConfig"
            faults.append(self._fault("bad-config", text, "write config=TaskConfig(run=…)"))
        _registry.report(faults)

    @property
    def model_type(self) -> type[BaseModel] | None:
        """The input model; the name this attribute has in the existing Moose."""
        return self.input_type

    @property
    def children(self) -> list[Task[Any, Any]]:  # Any: each has models of its own
        """The tasks in `on_complete` as it is now; what is not a task there is a fault of its own."""
        return [child for child in _listed(self.config.on_complete) if isinstance(child, Task)]

    def config_faults(self) -> list[Fault]:
        """What is wrong with `config` as it is now; users may have changed it since the task was made."""
        config: TaskConfig[Any, Any] = self.config  # Any: only the shape matters here
        found = _rules.timeout_faults(config.timeout) + _rules.retries_faults(config.retries)
        if config.on_complete is not None and not isinstance(config.on_complete, (list, tuple)):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            text = f"on_complete is {config.on_complete!r}, which is not a list"
            found.append(("not-a-task", text, "write on_complete=[…]"))
        found += [
            ("not-a-task", f"on_complete holds {_described(child)}, which is not a task", _wrapping(child))
            for child in _listed(config.on_complete)
            if not isinstance(child, Task)
        ]
        source = config.input_from
        if source is not None and source != "run" and not isinstance(source, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            found.append(("bad-input-from", f"input_from is {source!r}", 'give a task, or "run" for the run\'s input'))
        return [self._fault(code, text, hint) for code, text, hint in found]

    def _read_models(self, models: tuple[object, ...]) -> list[Fault]:
        self.input_type = self.output_type = None
        self.is_input_known = self.is_output_known = len(models) == _MODELS_OF_A_TASK
        if len(models) != _MODELS_OF_A_TASK:
            return [self._fault("untyped", "the input and output types are missing", "write Task[In, Out](name=…)")]
        faults = list[Fault]()
        for role, model in zip(("Input", "Output"), models, strict=True):
            if model is None or model is types.NoneType:
                continue
            if isinstance(model, type) and issubclass(model, BaseModel):
                setattr(self, f"{role.lower()}_type", model)
            else:
                setattr(self, f"is_{role.lower()}_known", False)
                text = f"{role} type {model!r} is not a Pydantic model or None"
                faults.append(self._fault("not-a-model", text, "declare a class that derives from pydantic.BaseModel"))
        return faults

    def _read_handler(self) -> list[Fault]:
        run, on_cancel = self.config.run, self.config.on_cancel
        faults = list[Fault]()
        if on_cancel is not None and not callable(on_cancel):
            faults.append(self._fault("bad-handler", f"on_cancel {on_cancel!r} is not a function", None))
        try:
            self.signature = read_signature(run, TaskContext)
        except UnusableHandler as error:
            self.signature = _UNKNOWN_SIGNATURE
            return [*faults, self._fault("bad-handler", str(error), error.hint)]
        if self.input_type is not None and self.signature.kind == "nothing" and takes_anything(run):
            self.signature = replace(self.signature, kind="input")
        found = contradictions(
            self.signature,
            self.input_type if self.is_input_known else ANYTHING,
            self.output_type if self.is_output_known else ANYTHING,
        )
        return faults + [self._fault("contradiction", text, f"change {handler_name(run)} or Task[…]") for text in found]

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        return Fault(
            code=code, message=f"task {self.name!r}: {text}", hint=hint, location=self.location, task=self.name
        )

    def __repr__(self) -> str:
        """`Task[Order, Receipt]('charge')`."""
        names = ", ".join("None" if m is None else m.__name__ for m in (self.input_type, self.output_type))
        return f"Task[{names}]({self.name!r})"


def _no_handler() -> None:
    """Stands in for a handler that was not given; nothing runs then."""


_UNKNOWN_SIGNATURE = Signature(kind="nothing", is_async=False, input_annotation=None, output_annotation=None)


def _described(value: object) -> str:
    return f"the function {value.__name__}" if isinstance(value, types.FunctionType) else repr(value)


def _wrapping(value: object) -> str | None:
    """The hint for a function in a task's place."""
    if not isinstance(value, types.FunctionType):
        return None
    return f'make it a task: Task[In, Out](name="{value.__name__}", config=TaskConfig(run={value.__name__}))'


def _listed(tasks: object) -> list[object] | tuple[object, ...]:
    return cast("list[object]", tasks) if isinstance(tasks, list | tuple) else ()  # of anything


class _TypedTask(types.GenericAlias):
    """`Task[In, Out]`: calling it makes the task.

    A task needs its models while it is made; typing's own alias tells them only afterwards.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # Any: forwards whatever Task takes
        make: Any = self.__origin__  # Any: declared as any type, it is Task
        return make(*args, t=self.__args__, **kwargs)


@dataclass
class WorkflowConfig:
    """How a workflow runs.

    Attributes:
        starting_task: the task that gets the run's input.
        retries: how often a failed run starts again from the beginning; unset: 0.
        timeout: longest time for the whole run with its retries; unset: no limit.
        schedule: cron ("0 0 * * *"), "@daily", "@every 36h" or "5m"; unset: runs when started.
    """

    starting_task: Task[Any, Any]  # Any: it has models of its own
    retries: int | None = None
    timeout: str | None = None
    schedule: str | None = None


class Workflow:
    """A graph of tasks, declared by its starting task and every task's `on_complete`.

    Registers itself under its name.

    Raises:
        InvalidDefinition: the name or a setting is wrong, or the name is taken by a workflow declared elsewhere.
            Cycles and wiring are checked when the project is loaded, as `on_complete` may still change.

    Example:
        Workflow(name="Orders", config=WorkflowConfig(starting_task=validate, timeout="30m"))
    """

    def __init__(self, name: str, config: WorkflowConfig) -> None:
        self.name = name if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  # users' names are not type-checked
        self.location = _registry.caller_location()
        faults = [self._fault(code, text, hint) for code, text, hint in _rules.name_faults("workflow", name)]
        if isinstance(config, WorkflowConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            self.config = config
            faults += self.config_faults()
        else:
            self.config = WorkflowConfig(starting_task=Task[None, None]("none", TaskConfig(run=_no_handler)))
            text = f"config is {config!r}, which is not a WorkflowConfig"
            faults.append(self._fault("bad-config", text, "write config=WorkflowConfig(starting_task=…)"))
        _registry.register(self, faults + self._duplicate_faults())

    def get_task_names(self) -> list[str]:
        """Names of all tasks, each once; a task comes after everything it waits for."""
        return [task.name for task in self.tasks()]

    def get_task(self, name: str) -> Task[Any, Any] | None:  # Any: the caller knows the models
        """The task of this name, or `None`."""
        return next((task for task in self.tasks() if task.name == name), None)

    def tasks(self) -> list[Task[Any, Any]]:  # Any: each has models of its own
        """All tasks in topological order; children in the order of `on_complete`.

        In a graph with a cycle, which loading refuses, the order is only that of discovery.
        """
        start = self.config.starting_task
        unvisited: list[tuple[Task[Any, Any], bool]] = [(start, False)] if isinstance(start, Task) else []  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        open_tasks = set[int]()
        finished: dict[int, Task[Any, Any]] = {}
        while unvisited:
            task, is_left = unvisited.pop()
            if is_left:
                finished[id(task)] = task
                continue
            if id(task) in open_tasks:
                continue
            open_tasks.add(id(task))
            unvisited.append((task, True))
            unvisited += [(child, False) for child in task.children]
        return list(reversed(finished.values()))

    def config_faults(self) -> list[Fault]:
        """What is wrong with `config` as it is now."""
        config = self.config
        found = _rules.timeout_faults(config.timeout) + _rules.retries_faults(config.retries)
        found += _rules.schedule_faults(config.schedule)
        if not isinstance(config.starting_task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            text = f"starting_task is {_described(config.starting_task)}, which is not a task"
            found.append(("no-starting-task", text, _wrapping(config.starting_task)))
        return [self._fault(code, text, hint) for code, text, hint in found]

    def _duplicate_faults(self) -> list[Fault]:
        earlier = _registry.registered_workflows().get(self.name)
        if earlier is None or not self.name:
            return []
        if earlier.location != self.location:
            text = f"the name is taken by the workflow at {earlier.location}"
            return [self._fault("duplicate-workflow", text, "rename one of them")]
        if not _registry.is_collecting():  # the same line again: a reload or a notebook cell
            return []
        text = "this line makes several workflows of this name"
        hint = "take the name from the loop or the function's arguments, and import the file under one name"
        return [self._fault("duplicate-workflow", text, hint)]

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        message = f"workflow {self.name!r}: {text}"
        return Fault(code=code, message=message, hint=hint, location=self.location, workflow=self.name)

    def __repr__(self) -> str:
        """`Workflow('Orders')`."""
        return f"Workflow({self.name!r})"
