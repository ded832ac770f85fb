"""A project whose tasks ingest; `broken` beside it makes some of them fail."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

import moose_lib
from moose_lib import IngestPipeline, InsertOptions, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Order(BaseModel):
    number: int
    by: str


class Loaded(BaseModel):
    stored: int
    repeated: int


class Reading(BaseModel):
    number: int
    at: datetime


class Stamped(BaseModel):
    stored: int
    repeated: int
    set_aside: int


orders = IngestPipeline[Order]("Orders")
IngestPipeline[Reading]("Readings")


def is_broken() -> bool:
    return Path("app/broken").exists()


async def load(ctx: TaskContext[None]) -> Loaded:
    done = await moose_lib.ingest("Orders", [Order(number=number, by="load") for number in range(12_000)])
    if ctx.run.attempt == 1:
        raise RuntimeError("after all is stored")
    return Loaded(stored=done.stored, repeated=done.repeated)


def add(loaded: Loaded) -> None:
    orders.get_table().insert([Order(number=1, by="add")])
    moose_lib.ingest_sync(Order, {"number": 2, "by": "add"})


def report(loaded: Loaded) -> Loaded:
    if is_broken():
        raise RuntimeError("broken")
    return loaded


def give_up() -> None:
    orders.get_table().insert([Order(number=number, by="give_up") for number in range(500)])
    raise RuntimeError("after 500")


Workflow(
    name="GivingUp",
    config=WorkflowConfig(starting_task=Task[None, None](name="give_up", config=TaskConfig(run=give_up, retries=1))),
)


async def stamp(ctx: TaskContext[None]) -> Stamped:
    """Its records are other ones in every attempt."""
    done = await moose_lib.ingest("Readings", [Reading(number=number, at=datetime.now(UTC)) for number in range(10)])
    if ctx.run.attempt == 1 or is_broken():
        raise RuntimeError("after all is stored")
    return Stamped(stored=done.stored, repeated=done.repeated, set_aside=done.set_aside)


async def gather(ctx: TaskContext[None]) -> None:
    """Its requests come in another order in the second attempt, and there are more of them."""

    async def send(number: int) -> None:
        await moose_lib.ingest(Order, {"number": number, "by": "gather"})

    await asyncio.gather(*map(send, [3, 1] if ctx.run.attempt == 1 else [2, 1, 3]))
    if ctx.run.attempt == 1:
        raise RuntimeError("one of them was not there")


Workflow(
    name="Stamping",
    config=WorkflowConfig(
        starting_task=Task[None, Stamped](name="stamp", config=TaskConfig(run=stamp, retries=1, retry_delay="100ms"))
    ),
)
Workflow(
    name="Gathering",
    config=WorkflowConfig(
        starting_task=Task[None, None](name="gather", config=TaskConfig(run=gather, retries=1, retry_delay="100ms"))
    ),
)


async def wait() -> None:
    records: list[dict[str, object]] = [{"number": 1, "by": "wait"}, {"number": "x", "by": "wait"}]
    await moose_lib.ingest("Orders", records, options=InsertOptions(strategy="discard"))
    Path("app/waiting").touch()  # noqa: ASYNC240  # a file is what a test can look for
    await asyncio.sleep(600)


Workflow(
    name="Waiting",
    config=WorkflowConfig(starting_task=Task[None, None](name="wait", config=TaskConfig(run=wait))),
)

last = Task[Loaded, Loaded](name="report", config=TaskConfig(run=report, retries=0))
middle = Task[Loaded, None](name="add", config=TaskConfig(run=add))
first = Task[None, Loaded](
    name="load", config=TaskConfig(run=load, on_complete=[middle, last], retries=1, retry_delay="100ms")
)
Workflow(name="Loading", config=WorkflowConfig(starting_task=first))
