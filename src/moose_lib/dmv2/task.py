"""Tasks: what runs, with which input and output, and how."""

from __future__ import annotations

import types
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from pydantic import BaseModel

from moose_lib.dmv2 import _registry, _retry_rules, _rules
from moose_lib.dmv2._typed import TypedAlias, alias
from moose_lib.dmv2.context import CancelHandler, Handler, In, Out, TaskContext
from moose_lib.dmv2.signature import (
    ANYTHING,
    Signature,
    UnusableHandler,
    contradictions,
    handler_name,
    read_signature,
    takes_anything,
    unfit_for_cancel,
)
from moose_lib.errors import Fault, Location

#: `In` and `Out`.
_MODELS_OF_A_TASK = 2


@dataclass
class TaskConfig(Generic[In, Out]):
    """How a task runs.

    Attributes:
        run: the handler, `async def` or `def`; takes nothing, the input or a `TaskContext`; returns the output.
        on_complete: tasks that start, together, when this one has completed.
        timeout: longest time for one attempt, as "30s", "5m", "never"; unset: one hour.
        retries: further attempts after the first failed; 0 means none; unset: 3.
        retry_delay: wait before the first retry; unset: "1s".
        retry_backoff: each further wait is this many times as long as the one before; unset: 2.
        retry_max_delay: longest wait; unset: "100s", or `retry_delay` if that is longer.
        retry_jitter: share of each wait by which it is made longer or shorter at random, 0 to 1; unset: 0.
        no_retry_for: exceptions, and their subclasses, after which the task fails at once.
        total_timeout: longest time from the first scheduling on, with all attempts and waits; unset: no limit.
        queue_timeout: longest time to wait for a worker, before each attempt; unset: no limit.
        on_failure: "fail" lets the run fail when the attempts have run out, "park" lets it wait for somebody to decide;
            unset: what the workflow's `on_task_failure` says.
        on_cancel: called with the context of `run` when a running attempt is canceled.
        input_from: the task whose output feeds this one, or "run" for the run's input, where types do not decide.

    Example:
        TaskConfig(run=charge, timeout="30s", retries=5, on_complete=[ship])
    """

    run: Handler[In, Out]
    on_complete: list[Task[Any, Any]] | None = None  # Any: each has models of its own
    timeout: str | None = None
    retries: int | None = None
    retry_delay: str | None = field(default=None, kw_only=True)
    retry_backoff: float | None = field(default=None, kw_only=True)
    retry_max_delay: str | None = field(default=None, kw_only=True)
    retry_jitter: float | None = field(default=None, kw_only=True)
    no_retry_for: tuple[type[BaseException], ...] = field(default=(), kw_only=True)
    total_timeout: str | None = field(default=None, kw_only=True)
    queue_timeout: str | None = field(default=None, kw_only=True)
    on_failure: Literal["fail", "park"] | None = field(default=None, kw_only=True)
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

        def __class_getitem__(cls, models: object) -> TypedAlias:
            return alias(cls, models)

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
            self.config = TaskConfig(run=no_handler)  # so that code which goes on to chain it can
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
        found = _rules.timeout_faults(config.timeout) + _rules.retries_faults(config.retries) + _retry_findings(config)
        if config.on_complete is not None and not isinstance(config.on_complete, (list, tuple)):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            text = f"on_complete is {config.on_complete!r}, which is not a list"
            found.append(("not-a-task", text, "write on_complete=[…]"))
        found += [
            ("not-a-task", f"on_complete holds {described(child)}, which is not a task", wrapping(child))
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
        unfit = None if on_cancel is None else unfit_for_cancel(on_cancel)
        if unfit is not None:
            faults.append(self._fault("bad-handler", unfit, "write def on_cancel(ctx: TaskContext[…]) -> None"))
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


def _retry_findings(config: TaskConfig[Any, Any]) -> list[_rules.Finding]:  # Any: only the shape matters here
    return [
        *_retry_rules.delay_faults(
            delay=config.retry_delay,
            backoff=config.retry_backoff,
            max_delay=config.retry_max_delay,
            jitter=config.retry_jitter,
        ),
        *_retry_rules.no_retry_faults(config.no_retry_for),
        *_retry_rules.limit_faults(
            timeout=config.timeout,
            retries=config.retries,
            retry_delay=config.retry_delay,
            total_timeout=config.total_timeout,
            queue_timeout=config.queue_timeout,
        ),
        *_retry_rules.on_failure_faults("on_failure", config.on_failure),
    ]


def no_handler() -> None:
    """Stands in for a handler that was not given; nothing runs then."""


_UNKNOWN_SIGNATURE = Signature(kind="nothing", is_async=False, input_annotation=None, output_annotation=None)


def described(value: object) -> str:
    """What stands where a task should."""
    return f"the function {value.__name__}" if isinstance(value, types.FunctionType) else repr(value)


def wrapping(value: object, models: str = "In, Out") -> str | None:
    """The hint for a function in a task's place."""
    if not isinstance(value, types.FunctionType):
        return None
    return f'make it a task: Task[{models}](name="{value.__name__}", config=TaskConfig(run={value.__name__}))'


def _listed(tasks: object) -> list[object] | tuple[object, ...]:
    return cast("list[object]", tasks) if isinstance(tasks, list | tuple) else ()  # of anything
