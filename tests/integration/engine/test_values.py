"""Values reach the next task equal, whatever their type and size."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel
from tests.integration.engine.support import Engine, result

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.engine import payloads


class Colour(Enum):
    RED = 1


class Inner(BaseModel):
    names: set[str]
    data: dict[str, Decimal]


class Everything(BaseModel):
    data: bytes
    amount: Decimal
    day: date
    at: datetime
    clock: time
    span: timedelta
    id: UUID
    colour: Colour
    tags: set[int]
    pair: tuple[int, str]
    inner: list[Inner]
    path: Path
    nothing: None
    maybe: int | None


EVERYTHING = Everything(
    data=b"\x00\xff\xfe binary",
    amount=Decimal("0.1000"),
    day=date(2024, 2, 29),
    at=datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
    clock=time(23, 59, 59, 1),
    span=timedelta(days=1, microseconds=5),
    id=UUID(int=7),
    colour=Colour.RED,
    tags={1, 2, 3},
    pair=(1, "x"),
    inner=[Inner(names={"a", "b"}, data={"k": Decimal("1E+3")})],
    path=Path("a/b"),
    nothing=None,
    maybe=0,
)


class Text(BaseModel):
    label: str
    text: str


class Size(BaseModel):
    size: int


class Texts(BaseModel):
    texts: list[Text]


def size_of(text: Text) -> Size:
    return Size(size=len(text.text))


async def test_every_type_reaches_the_next_task_equal(engine: Engine) -> None:
    """bytes, Decimal, dates, Enum, sets, nested models: the child receives what the parent returned."""
    received = list[Everything]()

    def give() -> Everything:
        return EVERYTHING

    async def take(everything: Everything) -> None:
        received.append(everything)

    child = Task[Everything, None](name="take", config=TaskConfig(run=take))
    start = Task[None, Everything](name="give", config=TaskConfig(run=give, on_complete=[child]))
    await engine.run(Workflow(name="Types", config=WorkflowConfig(starting_task=start)))
    assert received == [EVERYTHING]


async def test_megabytes_travel_by_reference(engine: Engine) -> None:
    """An output of 10 MB reaches two children; the history stays small."""

    def give(size: Size) -> Text:
        return Text(label="big", text="x" * size.size)

    children = [Task[Text, Size](name=f"child{n}", config=TaskConfig(run=size_of)) for n in range(2)]
    start = Task[Size, Text](name="give", config=TaskConfig(run=give, on_complete=[*children]))
    workflow = Workflow(name="Big", config=WorkflowConfig(starting_task=start))
    async with engine.worker(workflow):
        for size in (3_000_000, 10_000_000):
            handle = await engine.start(workflow, {"size": size})
            assert await result(handle) == {"child0": {"size": size}, "child1": {"size": size}}
            history = await handle.fetch_history()
            assert sum(event.ByteSize() for event in history.events) < 20_000


async def test_a_large_input_and_a_large_result(engine: Engine) -> None:
    """The run's own input and result may be large, too."""

    def same(text: Text) -> Text:
        return text

    task = Task[Text, Text](name="same", config=TaskConfig(run=same))
    value = {"label": "x", "text": "y" * 5_000_000}
    assert await engine.run(Workflow(name="Same", config=WorkflowConfig(starting_task=task)), value) == value


async def test_many_values_that_are_large_together(engine: Engine) -> None:
    """A join of 60 outputs of 200 kB, each small enough for a history and all of them far too large for one call."""

    def give(size: Size) -> Text:
        return Text(label="part", text="x" * 200_000)

    def join(texts: Texts) -> Size:
        return Size(size=sum(len(text.text) for text in texts.texts))

    def start(size: Size) -> Size:
        return size

    last = Task[Texts, Size](name="join", config=TaskConfig(run=join))
    parts = [Task[Size, Text](name=f"part{n}", config=TaskConfig(run=give, on_complete=[last])) for n in range(60)]
    first = Task[Size, Size](name="start", config=TaskConfig(run=start, on_complete=[*parts]))
    workflow = Workflow(name="Parts", config=WorkflowConfig(starting_task=first))
    assert await engine.run(workflow, {"size": 0}) == {"size": 60 * 200_000}


async def test_a_large_value_for_many_children(engine: Engine) -> None:
    """200 kB to each of 100 children: more than the server takes at once."""

    def give(size: Size) -> Text:
        return Text(label="part", text="x" * 200_000)

    children = [Task[Text, Size](name=f"child{n}", config=TaskConfig(run=size_of)) for n in range(100)]
    start = Task[Size, Text](name="give", config=TaskConfig(run=give, on_complete=[*children]))
    outputs = await engine.run(Workflow(name="Spread", config=WorkflowConfig(starting_task=start)), {"size": 0})
    assert outputs == {f"child{n}": {"size": 200_000} for n in range(100)}


async def test_a_value_over_the_limit_fails_once_with_its_field_and_size(engine: Engine) -> None:
    """Not retried: the error names the task, the field that is to blame, the size and the limit."""
    calls = list[int]()

    def give() -> Text:
        calls.append(1)
        return Text(label="huge", text="x" * (payloads.VALUE_LIMIT + 1))

    task = Task[None, Text](name="give", config=TaskConfig(run=give))
    error = await engine.fail(Workflow(name="Huge", config=WorkflowConfig(starting_task=task)))
    assert calls == [1]
    assert error.kind == "size"
    assert "output of task 'give' is 67,108," in error.message
    assert "most of it in field 'text'" in error.message
