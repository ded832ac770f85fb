"""Workflows whose traces are looked at. Users' own spans are made as OpenTelemetry's documents say."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from prometheus_client import Counter
from pydantic import BaseModel

from moose_lib import NonRetryableError, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

HERE = Path(__file__).parent
paid = Counter("shop_payments", "Payments that were made.")


class Order(BaseModel):
    order_id: str = "7"
    attempts: int = 1
    waits: bool = False


class Loaded(BaseModel):
    modules: list[str] = []


def own_span(name: str) -> None:
    from opentelemetry import trace

    with trace.get_tracer("shop").start_as_current_span(name):
        pass


def check(order: Order) -> Order:
    own_span("in-thread")
    with ThreadPoolExecutor() as pool:
        pool.submit(copy_context().run, own_span, "in-pool").result()
    return order


async def charge(ctx: TaskContext[Order]) -> Order:
    own_span("on-loop")
    await asyncio.to_thread(own_span, "to-thread")
    if ctx.input.waits:
        (HERE / "charging").touch()
        while not (HERE / "go").exists():  # noqa: ASYNC110  # a file is what a test can make
            await asyncio.sleep(0.02)
    if (HERE / "declined").exists():  # as above
        raise NonRetryableError("card declined")
    if ctx.run.attempt < ctx.input.attempts:
        raise ValueError("terminal offline")
    paid.inc()
    return ctx.input


charge_task = Task[Order, Order](name="charge", config=TaskConfig(run=charge, retries=3, retry_delay="10ms"))
check_task = Task[Order, Order](name="check", config=TaskConfig(run=check, on_complete=[charge_task]))
Workflow(name="Shop", config=WorkflowConfig(starting_task=check_task))


def look() -> Loaded:
    return Loaded(modules=sorted({name.partition(".")[0] for name in sys.modules}))


Workflow(name="Look", config=WorkflowConfig(starting_task=Task[None, Loaded](name="look", config=TaskConfig(run=look))))
