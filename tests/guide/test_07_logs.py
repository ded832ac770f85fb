"""What a task prints and logs belongs to its run: `moose-cli logs` shows it, and tests can look at it."""

from __future__ import annotations

import logging

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.testing import run_local

logger = logging.getLogger("shop")


class Order(BaseModel):
    order_id: str


def charge(ctx: TaskContext[Order]) -> Order:
    print("charging", ctx.input.order_id)
    logger.info("asking the bank")
    if ctx.run.attempt == 1:
        ctx.logger.warning("declined", extra={"bank": "first"})
        raise ConnectionError("bank is closed")
    return ctx.input


charge_task = Task[Order, Order](name="charge", config=TaskConfig(run=charge))
orders = Workflow(name="GuideLogs", config=WorkflowConfig(starting_task=charge_task))


def test_prints_and_logs_are_those_of_the_attempt() -> None:
    """Whether they are printed, logged anywhere, or written to `ctx.logger`."""
    run = run_local(orders, Order(order_id="7"))
    first, second = run.task("charge").attempts

    assert [(line.level, line.message) for line in first.logs] == [
        ("info", "charging 7"),
        ("info", "asking the bank"),
        ("warning", "declined"),
    ]
    assert [line.message for line in second.logs] == ["charging 7", "asking the bank"]


def test_fields_stay_apart_from_the_message() -> None:
    """What is passed as `extra` can be searched for: `moose-cli logs --json | jq 'select(.fields.bank)'`."""
    (declined,) = (
        line for line in run_local(orders, Order(order_id="7")).task("charge").attempts[0].logs if line.fields
    )

    assert declined.fields == {"bank": "first"}
