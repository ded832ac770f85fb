"""A project whose tasks ingest; `broken` beside it makes the last task fail."""

from pathlib import Path

from pydantic import BaseModel

import moose_lib
from moose_lib import IngestPipeline, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Order(BaseModel):
    number: int
    by: str


class Loaded(BaseModel):
    stored: int
    repeated: int


orders = IngestPipeline[Order]("Orders")


async def load(ctx: TaskContext[None]) -> Loaded:
    done = await moose_lib.ingest("Orders", [Order(number=number, by="load") for number in range(12_000)])
    if ctx.run.attempt == 1:
        raise RuntimeError("after all is stored")
    return Loaded(stored=done.stored, repeated=done.repeated)


def add(loaded: Loaded) -> None:
    orders.get_table().insert([Order(number=1, by="add")])
    moose_lib.ingest_sync(Order, {"number": 2, "by": "add"})


def report(loaded: Loaded) -> Loaded:
    if Path("app/broken").exists():
        raise RuntimeError("broken")
    return loaded


def give_up() -> None:
    orders.get_table().insert([Order(number=number, by="give_up") for number in range(500)])
    raise RuntimeError("after 500")


Workflow(
    name="GivingUp",
    config=WorkflowConfig(starting_task=Task[None, None](name="give_up", config=TaskConfig(run=give_up, retries=1))),
)

last = Task[Loaded, Loaded](name="report", config=TaskConfig(run=report, retries=0))
middle = Task[Loaded, None](name="add", config=TaskConfig(run=add))
first = Task[None, Loaded](
    name="load", config=TaskConfig(run=load, on_complete=[middle, last], retries=1, retry_delay="100ms")
)
Workflow(name="Loading", config=WorkflowConfig(starting_task=first))
