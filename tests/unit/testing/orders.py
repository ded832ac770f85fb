"""A small workflow to play with: check → charge → ship, and a note beside shipping."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows


class Order(BaseModel):
    order_id: str
    amount: int = 1


class Receipt(BaseModel):
    number: str


class Parcel(BaseModel):
    receipt: str


async def check(order: Order) -> Order:
    return order


async def charge_card(order: Order) -> Receipt:
    await asyncio.sleep(30)
    return Receipt(number=f"r{order.order_id}")


def send(receipt: Receipt) -> Parcel:
    return Parcel(receipt=receipt.number)


def order_workflow(*, retries: int | None = None, timeout: str | None = None, is_branching: bool = False) -> Workflow:
    """A fresh one for each test; it is in no registry."""
    ship = Task[Receipt, Parcel](name="ship", config=TaskConfig(run=send))
    charge = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge_card, on_complete=[ship]))
    validate = Task[Order, Order](name="check", config=TaskConfig(run=check, on_complete=[charge]))
    if is_branching:
        quiet = Task[None, None](name="note", config=TaskConfig(run=nothing))
        charge.config.on_complete = [ship, quiet]
    config = WorkflowConfig(starting_task=validate, retries=retries, timeout=timeout)
    workflow = Workflow(name="Orders", config=config)
    registered_workflows().pop("Orders")
    return workflow


async def nothing() -> None:
    """Do nothing."""
