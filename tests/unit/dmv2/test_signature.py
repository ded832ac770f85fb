"""What a handler takes and returns, read from whatever Python calls callable."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, Optional, TypeVar

import pytest
from pydantic import BaseModel

from moose_lib.dmv2.signature import Kind, UnusableHandler, contradictions, handler_name, read_signature
from moose_lib.dmv2.workflow import TaskContext

T = TypeVar("T")


class Order(BaseModel):
    number: int = 0


class Express(Order):
    pass


class Receipt(BaseModel):
    total: int = 0


class Page(BaseModel, Generic[T]):
    items: list[T]


def read(run: object) -> tuple[Kind, object, object]:
    found = read_signature(run, TaskContext)
    return found.kind, found.input_annotation, found.output_annotation


def told(run: object, given: type[BaseModel] | None, result: type[BaseModel] | None) -> list[str]:
    return contradictions(read_signature(run, TaskContext), given, result)


def decorated(run: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(run)
    def wrapper(*args: Any, **kwargs: Any) -> object:  # Any: as decorators are written
        return run(*args, **kwargs)

    return wrapper


def bare(run: Callable[..., object]) -> Callable[..., object]:
    """As if it had been written without annotations."""
    run.__annotations__ = {}
    return run


@bare
def bare_ctx(ctx: object) -> None: ...


@bare
def bare_context(context: object) -> None: ...


async def with_input(order: Order) -> Receipt:
    raise NotImplementedError


def with_context(ctx: TaskContext[Order]) -> Receipt:
    raise NotImplementedError


def with_bare_context(anything: TaskContext) -> None: ...  # users leave its input out
def with_optional_context(ctx: TaskContext[Order] | None = None) -> None: ...
def with_nothing() -> Receipt:
    raise NotImplementedError


def with_model_called_ctx(ctx: Order) -> None: ...
def with_options(order: Order, *, rate: int = 1, **more: int) -> None: ...
def with_optional_model(order: Optional[Order] = None) -> None: ...  # noqa: UP045  # users write it so
def with_default_model(order: Order = Order()) -> None: ...  # noqa: B008  # users write it so
def with_its_own_option(rate: int = 1) -> None: ...
@bare
def with_default_input(input: object = None) -> None: ...
def only_args(*args: object) -> None: ...
def gives_awaitable(order: Order) -> Awaitable[Receipt]:
    raise NotImplementedError


def gives_coroutine(order: Order) -> Coroutine[Any, Any, Receipt]:
    raise NotImplementedError


class Service:
    rate: int = 1

    def charge(self, order: Order) -> Receipt:
        raise NotImplementedError

    @classmethod
    def of_class(cls, ctx: TaskContext[Order]) -> Receipt:
        raise NotImplementedError

    @staticmethod
    def static(order: Order) -> Receipt:
        raise NotImplementedError


@dataclass
class Charger:
    """An instance that is called; its own annotations are not those of its `__call__`."""

    order: int = 0

    def __call__(self, order: Order) -> Receipt:
        raise NotImplementedError


class AsyncCharger:
    func: int = 3

    async def __call__(self, ctx: TaskContext[Order]) -> Receipt:
        raise NotImplementedError


def charge_at(rate: int, order: Order) -> Receipt:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("run", "kind", "takes", "gives"),
    [
        (with_input, "input", Order, Receipt),
        (with_context, "context", Order, Receipt),
        (with_nothing, "nothing", None, Receipt),
        (with_optional_context, "context", Order, type(None)),
        (with_model_called_ctx, "input", Order, type(None)),
        (with_options, "input", Order, type(None)),
        (with_optional_model, "input", Order | None, type(None)),
        (with_default_model, "input", Order, type(None)),
        (with_its_own_option, "nothing", None, type(None)),
        (only_args, "nothing", None, type(None)),
        (gives_awaitable, "input", Order, Receipt),
        (gives_coroutine, "input", Order, Receipt),
        (Service().charge, "input", Order, Receipt),
        (Service.of_class, "context", Order, Receipt),
        (Service.static, "input", Order, Receipt),
        (Charger(), "input", Order, Receipt),
        (AsyncCharger(), "context", Order, Receipt),
        (functools.partial(charge_at, 2), "input", Order, Receipt),
        (functools.partial(functools.partial(charge_at), 2), "input", Order, Receipt),
        (functools.partial(Charger()), "input", Order, Receipt),
        (decorated(with_input), "input", Order, Receipt),
        (decorated(with_context), "context", Order, Receipt),
        (functools.partial(decorated(charge_at), 2), "input", Order, Receipt),
    ],
)
def test_how_it_is_called_and_what_it_says(run: object, kind: Kind, takes: object, gives: object) -> None:
    assert read(run) == (kind, takes, gives)


def test_without_annotations_the_name_tells_a_context() -> None:
    assert read(bare_ctx)[0] == "context"
    assert read(bare_context)[0] == "context"
    assert read(unannotated)[0] == "input"
    assert read(with_default_input)[0] == "input"
    assert read(with_bare_context)[0] == "context"


def test_async_is_seen_through_partial_methods_and_instances() -> None:
    """A `def` that returns a coroutine is not known before it is called, and is awaited then."""
    assert read_signature(with_input, TaskContext).is_async
    assert read_signature(AsyncCharger(), TaskContext).is_async
    assert read_signature(functools.partial(with_input), TaskContext).is_async
    assert not read_signature(with_context, TaskContext).is_async
    assert not read_signature(decorated(with_input), TaskContext).is_async


def test_models_local_to_a_function_are_found_while_it_runs() -> None:
    """With `from __future__ import annotations` their names are text that only the function can look up."""

    class Local(BaseModel):
        a: int

    class Other(BaseModel):
        a: int

    async def run(ctx: TaskContext[Local]) -> Local | None: ...

    assert read(run) == ("context", Local, Local | None)
    assert told(run, Other, Local) == [
        "the handler takes Local, but the task's input is Other",
        "the handler returns Local | None, but the task's output is Local",
    ]


def test_a_local_model_shadows_one_of_the_module() -> None:
    class Order(BaseModel):
        local: int

    def run(order: Order) -> None: ...

    assert read(run)[1] is Order
    assert read(with_input)[1] is not Order


def made_elsewhere() -> tuple[Callable[..., object], type[BaseModel]]:
    class Gone(BaseModel):
        a: int

    async def run(ctx: TaskContext[Gone]) -> Gone:
        raise NotImplementedError

    return run, Gone


def optional_made_elsewhere() -> Callable[..., object]:
    class Gone(BaseModel):
        a: int

    def run(it: Gone | None = None) -> Gone | None: ...

    return run


def test_what_cannot_be_looked_up_any_more_is_compared_by_name() -> None:
    run, gone = made_elsewhere()

    assert read(run) == ("context", "Gone", "Gone")
    assert told(run, gone, gone) == []
    assert told(run, Order, gone) == ["the handler takes Gone, but the task's input is Order"]


def test_what_is_not_understood_contradicts_nothing() -> None:
    run = optional_made_elsewhere()

    assert read(run)[0] == "input"
    assert told(run, Order, Receipt) == []


def takes_base(order: Order) -> Express:
    raise NotImplementedError


def takes_either(order: Order | Receipt) -> NoReturn:
    raise NotImplementedError


def takes_any(order: Any) -> Any: ...  # Any: users write it so
def takes_generic(page: Page[int]) -> Page[int]:
    raise NotImplementedError


def takes_variable(order: T) -> T:
    raise NotImplementedError


def takes_text(order: str) -> dict[str, int]:
    raise NotImplementedError


@bare
def unannotated(order: object) -> None: ...


@pytest.mark.parametrize(
    ("run", "given", "result", "texts"),
    [
        (with_input, Order, Receipt, []),
        (with_nothing, Order, Receipt, []),
        (with_nothing, None, Receipt, []),
        (takes_base, Express, Order, []),
        (takes_either, Receipt, Order, []),
        (takes_any, Order, None, []),
        (takes_generic, Page[int], Page[int], []),
        (takes_variable, Order, Receipt, []),
        (unannotated, Order, Receipt, []),
        (with_optional_model, None, None, []),
        (with_bare_context, Order, None, []),
        (takes_base, Order, None, ["the handler returns Express, but the task's output is None"]),
        (
            with_input,
            None,
            Order,
            [
                "the handler takes Order, but the task's input is None",
                "the handler returns Receipt, but the task's output is Order",
            ],
        ),
        (with_context, Receipt, Receipt, ["the handler takes Order, but the task's input is Receipt"]),
        (takes_either, Page[int], None, ["the handler takes Order | Receipt, but the task's input is Page[int]"]),
        (
            takes_text,
            Order,
            Receipt,
            [
                "the handler takes str, but the task's input is Order",
                "the handler returns dict[str, int], but the task's output is Receipt",
            ],
        ),
        (only_args, Order, Receipt, ["the handler returns None, but the task's output is Receipt"]),
    ],
)
def test_annotations_that_contradict_the_task(
    run: object, given: type[BaseModel] | None, result: type[BaseModel] | None, texts: list[str]
) -> None:
    assert told(run, given, result) == texts


def two(order: Order, receipt: Receipt) -> None: ...
def keyword(*, order: Order) -> None: ...


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ("charge", "handler 'charge' is not a function"),
        (None, "handler None is not a function"),
        (two, "two needs 2 arguments (order, receipt); a handler takes nothing, its input or a TaskContext"),
        (keyword, "keyword needs the keyword argument 'order'; a handler is called with positions"),
        (
            functools.partial(charge_at, rate=2),
            "charge_at needs the keyword argument 'order'; a handler is called with positions",
        ),
        (type, f"the signature of handler {type!r} cannot be read"),
    ],
)
def test_what_cannot_be_called_is_refused(run: object, text: str) -> None:
    with pytest.raises(UnusableHandler) as caught:
        read(run)

    assert str(caught.value).startswith(text)


def test_a_handler_is_called_by_the_name_its_user_knows() -> None:
    def local() -> None: ...

    assert handler_name(with_input) == "with_input"
    assert handler_name(local) == "local"
    assert handler_name(Service().charge) == "Service.charge"
    assert handler_name(Charger()) == "Charger"
    assert handler_name(functools.partial(charge_at, 2)) == "charge_at"
