"""Order processing: check, reserve, then charge and ship side by side, and finish once both are done."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel, Field

import moose_lib
from moose_lib import (
    IngestPipeline,
    IngestPipelineConfig,
    NonRetryableError,
    OlapConfig,
    Task,
    TaskConfig,
    TaskContext,
    Workflow,
    WorkflowConfig,
)

STOCK = {"desk-lamp": 40, "notebook": 500, "fountain-pen": 25, "ink-blue": 120, "typewriter": 1, "globe": 0}


class Item(BaseModel):
    id: str
    quantity: int = Field(gt=0)
    unit_price: Decimal


class Order(BaseModel):
    order_id: str = Field(pattern=r"^ord_\d{4}$")
    user_id: str
    items: list[Item]
    total_amount: Decimal
    card: str = "tok_ok"


class InventoryResult(BaseModel):
    available: bool
    reserved_items: list[str]


class PaymentResult(BaseModel):
    transaction_id: str
    amount: Decimal


class ShippingResult(BaseModel):
    shipping_id: str
    estimated_delivery: datetime


class ReadyOrder(BaseModel):
    """What finalizing needs; each field is the output of the nearest task before it that returns its type."""

    order: Order
    payment: PaymentResult
    shipping: ShippingResult


class OrderResult(BaseModel):
    order_id: str
    status: str
    payment_id: str
    shipping_id: str


IngestPipeline[OrderResult]("Orders", IngestPipelineConfig(table=OlapConfig(order_by_fields=["order_id"])))


class InvalidOrder(NonRetryableError):
    """The order contradicts itself: trying again cannot help."""


class OutOfStock(NonRetryableError):
    """There is less on the shelf than was ordered."""


class PaymentDeclined(NonRetryableError):
    """The card's bank said no."""


async def validate_order(order: Order) -> Order:
    """Refuse what the types cannot: nothing ordered, or a total that is not the sum."""
    if not order.items:
        raise InvalidOrder(f"order {order.order_id} has no items")
    total = sum((item.quantity * item.unit_price for item in order.items), Decimal(0))
    if total <= 0:
        raise InvalidOrder(f"order {order.order_id} is worth {total}")
    if total != order.total_amount:
        raise InvalidOrder(f"order {order.order_id} says {order.total_amount}, its items add up to {total}")
    return order


async def check_inventory(order: Order) -> InventoryResult:
    """Reserve every item; an unknown item is an item with an empty shelf."""
    await asyncio.sleep(0.02)
    for item in order.items:
        if STOCK.get(item.id, 0) < item.quantity:
            raise OutOfStock(f"{item.id}: {item.quantity} ordered, {STOCK.get(item.id, 0)} in stock")
    return InventoryResult(available=True, reserved_items=[item.id for item in order.items])


async def process_payment(ctx: TaskContext[Order]) -> PaymentResult:
    """Charge the card. `tok_declined` is refused for good; `tok_slow` times out once, so Moose tries again."""
    await asyncio.sleep(0.05)
    order = ctx.input
    if order.card == "tok_declined":
        raise PaymentDeclined(f"card of {order.user_id} declined for {order.total_amount}")
    if order.card == "tok_slow" and ctx.run.attempt == 1:
        raise TimeoutError("the payment gateway did not answer")
    return PaymentResult(transaction_id=f"txn_{order.order_id}", amount=order.total_amount)


async def arrange_shipping(order: Order) -> ShippingResult:
    """Book a parcel, two days from now."""
    await asyncio.sleep(0.04)
    return ShippingResult(
        shipping_id=f"ship_{order.order_id}", estimated_delivery=datetime.now(tz=UTC) + timedelta(days=2)
    )


async def finalize_order(ready: ReadyOrder) -> OrderResult:
    """Keep the finished order: it is in the store when `ingest` returns, once, though the task may run again."""
    result = OrderResult(
        order_id=ready.order.order_id,
        status="completed",
        payment_id=ready.payment.transaction_id,
        shipping_id=ready.shipping.shipping_id,
    )
    await moose_lib.ingest("Orders", result)
    return result


validate_task = Task[Order, Order](
    name="validateOrder", config=TaskConfig(run=validate_order, timeout="30s", retries=2)
)
inventory_task = Task[Order, InventoryResult](
    name="checkInventory", config=TaskConfig(run=check_inventory, timeout="1m", retries=3)
)
payment_task = Task[Order, PaymentResult](
    name="processPayment", config=TaskConfig(run=process_payment, timeout="2m", retries=2)
)
shipping_task = Task[Order, ShippingResult](
    name="arrangeShipping", config=TaskConfig(run=arrange_shipping, timeout="1m", retries=3)
)
finalize_task = Task[ReadyOrder, OrderResult](
    name="finalizeOrder", config=TaskConfig(run=finalize_order, timeout="30s", retries=2)
)

validate_task.config.on_complete = [inventory_task]
inventory_task.config.on_complete = [payment_task, shipping_task]  # side by side
payment_task.config.on_complete = [finalize_task]
shipping_task.config.on_complete = [finalize_task]  # two parents: runs once, after both

order_workflow = Workflow(
    name="OrderProcessingWorkflow",
    config=WorkflowConfig(starting_task=validate_task, timeout="30m", retries=1),
)
