"""What type checkers must pass: how users write tasks and workflows. Checked by `make types`, never run."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from pydantic import BaseModel

from moose_lib.dmv2._registry import _workflows
from moose_lib.dmv2.workflow import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Order(BaseModel):
    order_id: str


class Receipt(BaseModel):
    paid_at: datetime


class Report(BaseModel):
    lines: list[str]


async def charge(order: Order) -> Receipt:
    return Receipt(paid_at=datetime.fromisoformat(order.order_id))


def charge_in_a_thread(any_name: Order) -> Receipt:
    return Receipt(paid_at=datetime.fromisoformat(any_name.order_id))


async def load() -> Report:
    return Report(lines=[])


def load_in_a_thread() -> Report:
    return Report(lines=[])


async def store(receipt: Receipt) -> None:
    assert receipt.paid_at


def tidy_up() -> None: ...


async def charge_with_context(ctx: TaskContext[Order]) -> Receipt:
    assert_type(ctx.input, Order)
    assert_type(ctx.run.attempt, int)
    ctx.logger.info("charging")
    ctx.state["charged"] = True
    return Receipt(paid_at=datetime.fromisoformat(ctx.input.order_id))


async def refund(ctx: TaskContext[Order]) -> None:
    assert ctx.state["charged"]


# A handler is a coroutine function or a plain one, with the input, with nothing, or with the context.
load_task = Task[None, Report](name="load", config=TaskConfig(run=load))
load_in_a_thread_task = Task[None, Report](name="loadInAThread", config=TaskConfig(run=load_in_a_thread))
tidy_up_task = Task[None, None](name="tidyUp", config=TaskConfig(run=tidy_up))
store_task = Task[Receipt, None](name="store", config=TaskConfig(run=store, timeout="30s", retries=2))
plain_task = Task[Order, Receipt](name="plain", config=TaskConfig(run=charge_in_a_thread, timeout="never"))
context_task = Task[Order, Receipt](
    name="context", config=TaskConfig(run=charge_with_context, on_cancel=refund, retries=0)
)

# A task may ignore its input.
ignores_input = Task[Order, Report](name="ignoresInput", config=TaskConfig(run=load))

# Chaining: in the config, or afterwards as an assignment; tasks of any types stand in one list.
charge_task = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge, on_complete=[store_task, load_task]))
context_task.config.on_complete = [store_task]
load_task.config.on_complete = [charge_task, context_task]
plain_task.config.on_complete = None

# Where types do not decide: the task, or the run's input.
from_run = Task[Order, Receipt](name="fromRun", config=TaskConfig(run=charge, input_from="run"))
from_task = Task[Receipt, None](name="fromTask", config=TaskConfig(run=store, input_from=charge_task))

# A config in a variable keeps the types of its handler.
config = TaskConfig(run=charge, timeout="5m")
from_variable = Task[Order, Receipt](name="fromVariable", config=config)

workflow = Workflow(
    name="Orders",
    config=WorkflowConfig(starting_task=charge_task, timeout="1h", retries=3, schedule="0 0 * * *"),
)

# What is declared can be looked at.
assert_type(workflow.get_task_names(), list[str])
found = workflow.get_task("charge")
if found:
    assert_type(found.config.timeout, str | None)
    assert_type(found.config.retries, int | None)
registered = _workflows.get("Orders")
if registered is not None:
    assert_type(registered.name, str)
