"""What type checkers must pass: how users write tasks and workflows. Checked by `make types`, never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, assert_type

from pydantic import BaseModel

from moose_lib import RetryLater, RunOutcome, Schedule
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

# How it is tried again, and what limits it.
patient = Task[Order, Receipt](
    name="patient",
    config=TaskConfig(
        run=charge,
        retry_delay="2s",
        retry_backoff=2,
        retry_max_delay="1m",
        retry_jitter=0.1,
        no_retry_for=(ValueError, KeyboardInterrupt),
        total_timeout="1h",
        queue_timeout="5m",
        on_failure="park",
    ),
)


async def charge_later(order: Order) -> Receipt:
    raise RetryLater(timedelta(minutes=10) if order.order_id else "10m", "the bank is closed")


# Hooks take the run's outcome, its context or nothing.
async def tell(outcome: RunOutcome) -> None:
    assert_type(outcome.status, Literal["completed", "failed"])
    if outcome.error is not None:
        assert_type(outcome.error.attempts, int)
    assert outcome.result["total"] > 0


def tell_with_context(ctx: TaskContext[RunOutcome]) -> None:
    assert_type(ctx.input, RunOutcome)


tell_task = Task[RunOutcome, None](name="tell", config=TaskConfig(run=tell, retries=5))
tell_with_context_task = Task[RunOutcome, None](name="tellWithContext", config=TaskConfig(run=tell_with_context))
told = Workflow(
    name="Told",
    config=WorkflowConfig(
        starting_task=charge_task, on_task_failure="park", on_success=tell_task, on_failure=tell_with_context_task
    ),
)
untold = Workflow(name="Untold", config=WorkflowConfig(starting_task=charge_task, on_failure=tidy_up_task))

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

# Schedules: a text or all of it.
every_day = WorkflowConfig(
    starting_task=charge_task,
    schedule=Schedule(
        cron=["30 6 * * mon-fri", "@daily"],
        timezone="Europe/Berlin",
        overlap="buffer_one",
        catchup="all",
        jitter=timedelta(minutes=5),
        paused=True,
        input=Order(order_id="7"),
    ),
)
each_hour = Schedule(every=timedelta(hours=1), input={"order_id": "7"})


async def due(ctx: TaskContext[Order]) -> None:
    assert_type(ctx.run.scheduled_time, datetime | None)
