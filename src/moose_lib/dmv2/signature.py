"""What a handler takes and returns, read from its signature and annotations once, when its task is declared."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

#: How the handler is called: `run()`, `run(input)` or `run(context)`.
Kind = Literal["nothing", "input", "context"]

_CONTEXT_NAMES = ("ctx", "context")


@dataclass(frozen=True, kw_only=True)
class Signature:
    """How to call a handler, and what its annotations say.

    `input_annotation` and `output_annotation` are `None` for "nothing", and `inspect.Parameter.empty` where the handler
    does not say. `is_async` is true for `async def`; a `def` may still return an awaitable.
    """

    kind: Kind
    is_async: bool
    input_annotation: object
    output_annotation: object


class UnusableHandler(TypeError):
    """The handler cannot be called with nothing, one input or one context; `hint` says what to write instead."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def read_signature(run: object, context_type: type) -> Signature:
    """Read how `run` is to be called.

    Raises:
        UnusableHandler: not callable, or it needs other arguments than none, the input or the context.
    """
    if isinstance(run, types.CoroutineType):
        run.close()  # never awaited, which Python would warn about
        raise UnusableHandler(f"run is the result of calling {run.__name__}", hint=f"write run={run.__name__}")
    if not callable(run):
        raise UnusableHandler(f"handler {run!r} is not a function")
    parameters = _parameters(run)
    hints = _hints(run)
    parameter = _only_parameter(run, parameters, hints, context_type)
    output = _awaited(hints.get("return", inspect.Parameter.empty))
    is_async = inspect.iscoroutinefunction(run) or inspect.iscoroutinefunction(getattr(run, "__call__", None))  # noqa: B004  # an instance with an async __call__
    if parameter is None:
        return Signature(kind="nothing", is_async=is_async, input_annotation=None, output_annotation=output)
    annotation = hints.get(parameter.name, parameter.annotation)
    kind, model = _parameter_kind(parameter.name, annotation, context_type)
    return Signature(kind=kind, is_async=is_async, input_annotation=model, output_annotation=output)


def takes_anything(run: Callable[..., object]) -> bool:
    """Whether it has `*args`, as decorators without `functools.wraps` make handlers look like."""
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in _parameters(run))


def unfit_for_cancel(on_cancel: object) -> str | None:
    """Say why something cannot be called with the context alone, as `on_cancel` is; None if it can."""
    if not callable(on_cancel):
        return f"on_cancel {on_cancel!r} is not a function"
    try:
        inspect.signature(on_cancel).bind(None)
    except TypeError as error:
        return f"on_cancel {handler_name(on_cancel)} cannot be called with the context alone: {error}"
    except ValueError:  # builtins that do not tell
        return None
    return None


#: In place of a declared type that is not known: no annotation contradicts it.
ANYTHING: type = object


def contradictions(signature: Signature, input_type: type | None, output_type: type | None) -> list[str]:
    """Where the handler's annotations disagree with `Task[In, Out]`, one sentence each."""
    found = list[str]()
    takes = signature.input_annotation
    if takes is not None and not _accepts(takes, input_type):
        found.append(f"the handler takes {_name(takes)}, but the task's input is {_name(input_type)}")
    gives = signature.output_annotation
    if not _fits(gives, output_type):
        found.append(f"the handler returns {_name(gives)}, but the task's output is {_name(output_type)}")
    return found


def _parameters(run: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError) as error:
        raise UnusableHandler(f"the signature of handler {run!r} cannot be read: {error}") from None


def _only_parameter(
    run: object, parameters: list[inspect.Parameter], hints: dict[str, Any], context_type: type
) -> inspect.Parameter | None:
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    keyword_only = [p.name for p in required if p.kind is p.KEYWORD_ONLY]
    if keyword_only:
        raise UnusableHandler(
            f"{handler_name(run)} needs the keyword argument {keyword_only[0]!r}; a handler is called with positions"
        )
    if len(required) > 1:
        names = ", ".join(p.name for p in required)
        raise UnusableHandler(
            f"{handler_name(run)} needs {len(required)} arguments ({names}); "
            "a handler takes nothing, its input or a TaskContext"
        )
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if required:
        return required[0]
    if positional and _is_input(positional[0].name, hints.get(positional[0].name), context_type):
        return positional[0]
    return None


def _is_input(name: str, annotation: object, context_type: type) -> bool:
    """An optional parameter is the input only if it says so; else it is the handler's own business."""
    if name == "input" or name in _CONTEXT_NAMES or isinstance(annotation, str):
        return True
    origins = [typing.get_origin(member) or member for member in _members(annotation) or ()]
    return any(isinstance(origin, type) and issubclass(origin, (BaseModel, context_type)) for origin in origins)


def _parameter_kind(name: str, annotation: object, context_type: type) -> tuple[Kind, object]:
    if isinstance(annotation, str):  # a name that cannot be looked up any more: compare by text
        head, _, rest = annotation.partition("[")
        if head.split(".")[-1] == context_type.__name__:
            return "context", rest.rstrip("]") or inspect.Parameter.empty
        return "input", annotation
    members = _members(annotation)
    if members is None:
        return ("context" if name in _CONTEXT_NAMES else "input"), inspect.Parameter.empty
    for member in members:
        origin = typing.get_origin(member) or member
        if isinstance(origin, type) and issubclass(origin, context_type):
            arguments = typing.get_args(member)
            return "context", arguments[0] if arguments else inspect.Parameter.empty
    return "input", annotation


def _hints(run: Callable[..., object]) -> dict[str, Any]:  # Any: annotations are arbitrary objects
    function = _function(run)
    written = dict[str, Any](getattr(function, "__annotations__", {}))  # Any: as above
    names = {**getattr(function, "__globals__", {}), **_enclosing_names(function)}
    return {name: _resolved(annotation, names) for name, annotation in written.items()}


def _function(run: object) -> object:
    """The `def` behind partial objects, decorators and instances with `__call__`."""
    while isinstance(run, functools.partial):
        run = typing.cast("object", run.func)  # of whatever it takes and returns
    if callable(run) and not hasattr(run, "__code__") and not hasattr(run, "__wrapped__"):
        run = type(run).__call__
    return inspect.unwrap(run) if callable(run) else run


def _enclosing_names(function: object) -> dict[str, object]:
    """The variables of the functions in which `function` was defined and which still run: models may be local."""
    qualified = str(getattr(function, "__qualname__", ""))
    found: list[Mapping[str, object]] = []
    frame = inspect.currentframe()
    while frame is not None:
        is_around = qualified.startswith(f"{frame.f_code.co_qualname}.<locals>.")
        if is_around and frame.f_globals is getattr(function, "__globals__", None):
            found.append(frame.f_locals)
        frame = frame.f_back
    return {name: value for variables in reversed(found) for name, value in variables.items()}


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:  # Any: annotations are arbitrary objects
    shim = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(shim, globalns=names, localns=names)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return annotation


def _awaited(annotation: object) -> object:
    """`Awaitable[T]` and `Coroutine[…, T]` count as `T`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    is_awaitable = isinstance(origin, type) and issubclass(origin, Awaitable)
    return arguments[-1] if is_awaitable and arguments else annotation


def _accepts(annotation: object, declared: type | None) -> bool:
    """Whether a parameter annotated so can be given a `declared`."""
    known = _members(annotation)
    if known is None or declared is ANYTHING:
        return True
    return any(_same_or_sub(declared, member) for member in known)


def _fits(annotation: object, declared: type | None) -> bool:
    """Whether everything annotated as returned is a `declared`."""
    known = _members(annotation)
    if known is None or declared is ANYTHING:
        return True
    return all(_same_or_sub(member, declared) for member in known)


def _members(annotation: object) -> tuple[object, ...] | None:
    """The types a union is made of; `None` where the annotation does not say anything checkable."""
    if _is_one_of(annotation, inspect.Parameter.empty, Any, object) or isinstance(annotation, typing.TypeVar):
        return None
    if _is_one_of(annotation, typing.NoReturn, typing.Never):
        return ()
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return typing.get_args(annotation)[:1] if origin is typing.Annotated else (annotation,)


def _is_one_of(annotation: object, *others: object) -> bool:
    return any(annotation is other for other in others)


def _same_or_sub(kind: object, of: object) -> bool:
    if isinstance(kind, str) or isinstance(of, str):
        names = {_name(kind).split(".")[-1], _name(of).split(".")[-1]}
        return len(names) == 1 or not all(name.isidentifier() for name in names)  # `Order | None` is not understood
    kind, of = (None if t is type(None) else t for t in (kind, of))
    if kind is None or of is None:
        return kind is of
    return isinstance(kind, type) and isinstance(of, type) and issubclass(kind, of)


def _name(annotation: object) -> str:
    if annotation is None or annotation is type(None):
        return "None"
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " | ".join(map(_name, typing.get_args(annotation)))
    if isinstance(annotation, str) or not isinstance(annotation, type):
        return str(annotation).replace("typing.", "")
    return annotation.__name__


def handler_name(run: object) -> str:
    """The name a user knows the handler by."""
    while isinstance(run, functools.partial):
        run = typing.cast("object", run.func)  # of whatever it takes and returns
    return str(getattr(run, "__qualname__", None) or type(run).__qualname__).rpartition("<locals>.")[2]
