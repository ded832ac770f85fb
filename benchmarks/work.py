"""What the tasks of the measured graphs do. Both sides run these very functions, so only the orchestration differs."""

from pydantic import BaseModel

WIDTH = 50


class Number(BaseModel):
    value: int


class Total(BaseModel):
    value: int


class Parts(BaseModel):
    """What the join of the wide graph takes."""

    numbers: list[Number]


class Order(BaseModel):
    order_id: str
    user_id: str
    items: list[str]
    total_amount: float


class Inventory(BaseModel):
    reserved_items: list[str]


class Payment(BaseModel):
    transaction_id: str


class Shipping(BaseModel):
    shipping_id: str


class ReadyOrder(BaseModel):
    order: Order
    payment: Payment
    shipping: Shipping


class FinishedOrder(BaseModel):
    order_id: str
    transaction_id: str
    shipping_id: str


async def add_one(number: Number) -> Number:
    return Number(value=number.value + 1)


async def validate_order(order: Order) -> Order:
    if not order.items or order.total_amount <= 0:
        raise ValueError(f"order {order.order_id} is empty")
    return order


async def check_inventory(order: Order) -> Inventory:
    return Inventory(reserved_items=order.items)


async def process_payment(order: Order) -> Payment:
    return Payment(transaction_id=f"txn_{order.order_id}")


async def arrange_shipping(order: Order) -> Shipping:
    return Shipping(shipping_id=f"ship_{order.order_id}")


async def finalize_order(ready: ReadyOrder) -> FinishedOrder:
    return FinishedOrder(
        order_id=ready.order.order_id,
        transaction_id=ready.payment.transaction_id,
        shipping_id=ready.shipping.shipping_id,
    )


async def add_up(parts: Parts) -> Total:
    return Total(value=sum(number.value for number in parts.numbers))
