"""Values: what a task returns is what the next one receives, whatever its type; and every way to write a handler."""

from __future__ import annotations

import asyncio
import enum
import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from pydantic import AliasChoices, AnyUrl, BaseModel, ConfigDict, Field, RootModel, computed_field
from tests.scenarios.graphs import Number, add_one
from tests.scenarios.scenario import AnyTask, Expected, Scenario, chain, journal, workflow

from moose_lib import Task, TaskConfig, TaskContext

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 9


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str]


class Point(NamedTuple):
    x: int
    y: float


class Inner(BaseModel):
    when: datetime
    raw: bytes


class Everything(BaseModel):
    text: str = 'ünïcödé "quoted" \u2028 \x00 🫎'
    big: int = 2**70
    precise: float = 0.1 + 0.2
    tiny: float = 5e-324
    flag: bool = False
    nothing: str | None = None
    amount: Decimal = Decimal("123456789.123456789012345678900")
    day: date = date(2026, 2, 28)
    aware: datetime = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    offset: datetime = datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    naive: datetime = datetime(2026, 3, 29, 2, 30, 0, 999999)  # noqa: DTZ001  # naive on purpose
    clock: time = time(23, 59, 59, 1)
    span: timedelta = timedelta(days=-3, microseconds=1)
    raw: bytes = bytes(range(256))
    inner: Inner = Inner(when=datetime(1969, 12, 31, tzinfo=UTC), raw=b"\xff\xfe")
    identity: UUID = UUID("12345678-1234-5678-1234-567812345678")
    numbers: set[int] = {3, 1, 2}
    frozen: frozenset[str] = frozenset({"a", "b"})
    pair: tuple[int, str] = (1, "one")
    many: tuple[Decimal, ...] = (Decimal("1.10"), Decimal("2.200"))
    point: Point = Point(1, 2.5)
    colour: Colour = Colour.BLUE
    level: Level = Level.HIGH
    address: IPv4Address = IPv4Address("127.0.0.1")
    network: IPv6Network = IPv6Network("2001:db8::/32")
    path: Path = Path("/tmp/some file.txt")
    url: AnyUrl = AnyUrl("https://example.com/a?b=c#d")
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Dog(tricks=["sit"])
    choice: int | str = "7"
    by_day: dict[date, int] = {date(2026, 1, 1): 1, date(2026, 1, 2): 2}
    by_number: dict[int, Colour] = {1: Colour.RED}
    by_level: dict[Level, list[Decimal]] = {Level.LOW: [Decimal("0.0")]}
    nested: list[dict[str, tuple[date, ...]]] = [{"days": (date(2026, 5, 5),)}]
    literal: Literal["on", "off"] = "off"
    mode: Literal[1, 2] = 2
    loose: Any = {"any": [1, None, {"thing": True}]}  # Any: JSON without a model


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    order_id: str = Field(alias="orderId")
    total: Decimal = Field(validation_alias=AliasChoices("sum", "total"), serialization_alias="theTotal")


class Squared(BaseModel):
    side: int

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know the decorator's order
    @property
    def area(self) -> int:
        return self.side**2


class StrictlySquared(Squared):
    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: int | None = None


class Names(RootModel[dict[str, frozenset[int]]]):
    pass


class Tree(BaseModel):
    label: str
    children: list[Tree] = []


class Enveloped(BaseModel):
    """The existing Moose unwraps a key of this name, and loses its siblings."""

    data: dict[str, Any]  # Any: whatever users send
    other: int


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")

    known: int


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: datetime


def round_trip(name: str, value: BaseModel, *, as_input: bool = True) -> Scenario:
    """The value goes in, through two tasks (async and sync) and out, and is equal at each point."""
    model = type(value)

    async def give() -> BaseModel:
        return value

    async def first(given: BaseModel) -> BaseModel:
        assert given == value
        assert type(given) is model
        return given

    def second(given: BaseModel) -> BaseModel:
        assert given == value
        return given

    # Handlers without annotations of the model itself: one function serves all models.
    first.__annotations__ = give.__annotations__ = second.__annotations__ = {}
    tasks: list[AnyTask] = [
        Task[model, model](name="first", config=TaskConfig(run=first, retries=0))  # type: ignore[valid-type]  # only known here
        if as_input
        else Task[None, model](name="first", config=TaskConfig(run=give, retries=0)),  # type: ignore[valid-type]  # as above
        Task[model, model](name="second", config=TaskConfig(run=second, retries=0)),  # type: ignore[valid-type]  # as above
        Task[model, model](name="third", config=TaskConfig(run=first, retries=0)),  # type: ignore[valid-type]  # as above
    ]
    expected = Expected(tasks=dict.fromkeys(["first", "second", "third"], "completed"), result=value)
    return Scenario(
        workflow=workflow(f"Value{name}", chain(*tasks)), input=value if as_input else None, expected=expected
    )


class Defaults(BaseModel):
    size: int = 3
    colour: Colour = Colour.RED


def no_input_is_all_defaults() -> Scenario:
    """A run without input, where the starting task's model has only defaults."""

    async def use(given: Defaults) -> Defaults:
        return given

    task = Task[Defaults, Defaults](name="use", config=TaskConfig(run=use))
    return Scenario(
        workflow=workflow("NoInput", task), expected=Expected(tasks={"use": "completed"}, result=Defaults())
    )


class WithDefaults(BaseModel):
    given: Defaults
    number: Number


def no_input_reaches_a_later_task() -> Scenario:
    """The defaults are the run's input for later tasks too, in a field of theirs."""

    async def count() -> Number:
        return Number(value=1)

    async def combine(given: WithDefaults) -> WithDefaults:
        return given

    last = Task[WithDefaults, WithDefaults](name="combine", config=TaskConfig(run=combine))
    middle = Task[None, Number](name="count", config=TaskConfig(run=count, on_complete=[last]))
    first = Task[Defaults, None](name="use", config=TaskConfig(run=forget, on_complete=[middle]))
    expected = Expected(
        tasks=dict.fromkeys(["use", "count", "combine"], "completed"),
        result=WithDefaults(given=Defaults(), number=Number(value=1)),
    )
    return Scenario(workflow=workflow("NoInputLater", first), expected=expected)


async def forget(given: Defaults) -> None:
    """Take the input, give nothing."""


def subclass_output() -> Scenario:
    """A subclass is accepted where its parent is declared; what only it knows stays behind."""

    class More(Number):
        unit: str = "kg"

    async def give() -> Number:
        return More(value=4)

    first = Task[None, Number](name="give", config=TaskConfig(run=give))
    second = Task[Number, Number](name="add", config=TaskConfig(run=add_one))
    expected = Expected(tasks={"give": "completed", "add": "completed"}, result=Number(value=5))
    return Scenario(workflow=workflow("Subclass", chain(first, second)), expected=expected)


class Adder:
    """A callable object."""

    def __init__(self, amount: int) -> None:
        self._amount = amount

    async def __call__(self, number: Number) -> Number:
        return Number(value=number.value + self._amount)

    def method(self, number: Number) -> Number:
        return Number(value=number.value + self._amount)


def add(amount: int, number: Number) -> Number:
    return Number(value=number.value + amount)


def logged(handler: Callable[[Number], Awaitable[Number]]) -> Callable[[Number], Awaitable[Number]]:
    """A decorator whose wrapper is a `def` that returns an awaitable."""

    @functools.wraps(handler)
    def wrapper(number: Number) -> Awaitable[Number]:
        return handler(number)

    return wrapper


@logged
async def add_hundred(number: Number) -> Number:
    await asyncio.sleep(0)
    return Number(value=number.value + 100)


async def add_by_context(ctx: TaskContext[Number]) -> Number:
    assert (ctx.run.task, ctx.run.attempt, ctx.run.workflow) == ("async context", 1, "Handlers")
    ctx.logger.info("adding")
    return Number(value=ctx.input.value + 1000)


def add_by_sync_context(ctx: TaskContext[Number]) -> Number:
    journal.note(ctx, ctx.run.task)
    return Number(value=ctx.input.value + 10_000)


def as_dict(number: Any) -> Any:  # Any: a handler that says nothing about its types
    return {"value": number.value + 1}


twice: Callable[[Number], Number] = lambda number: Number(value=number.value * 2)  # noqa: E731  # a lambda on purpose


def every_kind_of_handler() -> Scenario:
    handlers: dict[str, Any] = {  # Any: handlers of all kinds
        "def": add_one,
        "object": Adder(2),
        "method": Adder(4).method,
        "partial": functools.partial(add, 8),
        "wrapper": add_hundred,
        "async context": add_by_context,
        "sync context": add_by_sync_context,
        "lambda": twice,
        "dict": as_dict,
    }
    tasks: list[AnyTask] = [
        Task[Number, Number](name=name, config=TaskConfig(run=run, retries=0)) for name, run in handlers.items()
    ]
    expected = Expected(
        tasks=dict.fromkeys(handlers, "completed"), result=Number(value=11_115 * 2 + 1), notes=["sync context"]
    )
    return Scenario(workflow=workflow("Handlers", chain(*tasks)), input=Number(value=0), expected=expected)


def nothing_in_nothing_out() -> Scenario:
    """Tasks without values hand nothing on, and do not hide what came before them."""

    def silent() -> None:
        return None

    async def number() -> Number:
        return Number(value=1)

    tasks: list[AnyTask] = [
        Task[None, Number](name="number", config=TaskConfig(run=number)),
        Task[None, None](name="silent", config=TaskConfig(run=silent)),
        Task[Number, Number](name="add", config=TaskConfig(run=add_one)),
        Task[None, None](name="end", config=TaskConfig(run=silent)),
    ]
    expected = Expected(tasks=dict.fromkeys(["number", "silent", "add", "end"], "completed"))
    return Scenario(workflow=workflow("Silence", chain(*tasks)), expected=expected)


SCENARIOS = [
    round_trip("Everything", Everything(), as_input=False),
    round_trip("Alias", Aliased.model_validate({"orderId": "7", "sum": "1.50"}), as_input=False),
    round_trip("Computed", Squared(side=4)),
    round_trip("StrictComputed", StrictlySquared(side=4)),
    round_trip("Generic", Page[Decimal](items=[Decimal("1.0")], next=2)),
    round_trip(
        "GenericOfModel", Page[Inner](items=[Inner(when=datetime(2026, 1, 1, tzinfo=UTC), raw=b"\x80")]), as_input=False
    ),
    round_trip("Root", Names(OrderedDict(a=frozenset({1, 2})))),
    round_trip("Tree", Tree(label="a", children=[Tree(label="b", children=[Tree(label="c")])])),
    round_trip("DataField", Enveloped(data={"data": {"deep": 1}}, other=2)),
    round_trip("Extra", Extra.model_validate({"known": 1, "more": "kept"})),
    round_trip("Frozen", Frozen(at=datetime(2026, 6, 1, 12, tzinfo=UTC))),
    round_trip("Large", Page[str](items=["x" * 1000] * 700)),
    no_input_is_all_defaults(),
    no_input_reaches_a_later_task(),
    subclass_output(),
    every_kind_of_handler(),
    nothing_in_nothing_out(),
]
