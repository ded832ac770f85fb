"""Workflows that fail while a file says so, for those who have to deal with it."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

HERE = Path(__file__).parent


class Bill(BaseModel):
    bill_id: str
    cents: int = 100


class Receipt(BaseModel):
    bill_id: str
    number: int


def check(bill: Bill) -> Bill:
    with (HERE / "checked").open("a") as notes:
        notes.write(f"{bill.bill_id}\n")
    return bill


def charge(bill: Bill) -> Receipt:
    if (HERE / "broken").exists():
        raise ValueError("terminal offline")
    return Receipt(bill_id=bill.bill_id, number=7)


def send(receipt: Receipt) -> None:
    if (HERE / "mail-broken").exists():
        raise ConnectionError("no mail")


async def wait(ctx: TaskContext[Bill]) -> Bill:
    while not (HERE / f"go-{ctx.input.bill_id}").exists():  # noqa: ASYNC110  # a file is what a test can make
        await asyncio.sleep(0.05)
    return ctx.input


async def tidy(ctx: TaskContext[Bill]) -> None:
    await asyncio.sleep(0.5)
    (HERE / f"tidied-{ctx.input.bill_id}").touch()  # as above


ENDINGS: dict[str, Literal["fail", "park"]] = {
    "Parking": "park",
    "Failing": "fail",
    "ManyParking": "park",
    "ManyFailing": "fail",
    "ManyMixed": "fail",
}
for name, on_failure in ENDINGS.items():
    send_task = Task[Receipt, None](name="send", config=TaskConfig(run=send, retries=0, on_failure=on_failure))
    charge_task = Task[Bill, Receipt](
        name="charge", config=TaskConfig(run=charge, retries=0, on_failure=on_failure, on_complete=[send_task])
    )
    check_task = Task[Bill, Bill](name="check", config=TaskConfig(run=check, on_complete=[charge_task]))
    Workflow(name=name, config=WorkflowConfig(starting_task=check_task))


for name in ("Lasting", "ManyLasting"):
    after_task = Task[Bill, Bill](name="after", config=TaskConfig(run=check))
    wait_task = Task[Bill, Bill](
        name="wait", config=TaskConfig(run=wait, on_cancel=tidy, timeout="never", on_complete=[after_task])
    )
    Workflow(name=name, config=WorkflowConfig(starting_task=wait_task))
