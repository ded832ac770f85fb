"""Workflows that the command line's tests run."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from moose_lib import NonRetryableError, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Order(BaseModel):
    order_id: str
    total: float = 1.0


class Checked(BaseModel):
    order_id: str


class Receipt(BaseModel):
    order_id: str
    status: str


async def check(order: Order) -> Checked:
    print("checking", order.order_id)
    return Checked(order_id=order.order_id)


def charge(order: Order) -> Receipt:
    if order.order_id == "declined":
        raise NonRetryableError("card declined")
    if order.order_id == "offline":
        raise ValueError("terminal offline")
    return Receipt(order_id=order.order_id, status="paid")


async def deliver(receipt: Receipt) -> Receipt:
    return receipt


charge_task = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge, retries=1))
deliver_task = Task[Receipt, Receipt](name="deliver", config=TaskConfig(run=deliver))
check_task = Task[Order, Checked](name="check", config=TaskConfig(run=check, on_complete=[charge_task]))
charge_task.config.on_complete = [deliver_task]
Workflow(name="Order", config=WorkflowConfig(starting_task=check_task, timeout="30m"))


class Wait(BaseModel):
    until: str = "nobody-makes-this-file"
    lingers: float = 0


async def wait(context: TaskContext[Wait]) -> None:
    context.logger.info("waiting")
    try:
        while not Path(context.input.until).exists():  # noqa: ASYNC110, ASYNC240  # a file is what a test can make
            await asyncio.sleep(0.05)
    finally:
        await asyncio.sleep(context.input.lingers)


Workflow(
    name="Waiting", config=WorkflowConfig(starting_task=Task[Wait, None](name="wait", config=TaskConfig(run=wait)))
)


def refuse(order: Order) -> None:
    raise ValueError(f"no {order.order_id}")


refuse_task = Task[Order, None](name="refuse", config=TaskConfig(run=refuse, retries=0))
open_task = Task[Order, Order](name="open", config=TaskConfig(run=lambda order: order, on_complete=[refuse_task]))
Workflow(name="Stubborn", config=WorkflowConfig(starting_task=open_task, retries=1))


async def nothing() -> None:
    return None


Workflow(
    name="Nightly",
    config=WorkflowConfig(
        starting_task=Task[None, None](name="clean", config=TaskConfig(run=nothing)), schedule="0 0 * * *", retries=1
    ),
)
