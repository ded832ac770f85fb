"""Inputs that are no inputs: refused before anything runs, whoever starts the run."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel
from tests.scenarios.scenario import journal, workflow

from moose_lib import Task, TaskConfig, TaskContext


class Item(BaseModel):
    sku: str
    count: int


class Delivery(BaseModel):
    day: date
    items: list[Item]


async def deliver(ctx: TaskContext[Delivery]) -> None:
    journal.note(ctx, "delivered")


DELIVERIES = workflow("Deliveries", Task[Delivery, None](name="deliver", config=TaskConfig(run=deliver)))

#: JSON that does not fit, and the path of what is wrong with it.
REFUSED = {
    b"[1,2]": "",
    b"7": "",
    b'"text"': "",
    b"null": "day",
    b"{}": "day",
    b'{"day": "2026-02-30", "items": []}': "day",
    b'{"day": "2026-02-01", "items": [{"sku": "a", "count": 1}, {"sku": "b", "count": "x"}]}': "items.1.count",
}
