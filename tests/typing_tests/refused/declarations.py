"""What type checkers must refuse: each line marked `refused`, and no other. Never run."""

from __future__ import annotations

from pydantic import BaseModel

from moose_lib import Schedule
from moose_lib import Tusk  # refused
from moose_lib.dmv2.workflow import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Order(BaseModel):
    order_id: str


class Receipt(BaseModel):
    total: float


async def charge(order: Order) -> Receipt:
    return Receipt(total=len(order.order_id))


def charge_in_a_thread(order: Order) -> Receipt:
    return Receipt(total=len(order.order_id))


async def load() -> Receipt:
    return Receipt(total=0)


async def charge_with_context(ctx: TaskContext[Order]) -> Receipt:
    ctx.run.attempt = 2  # refused
    return Receipt(total=ctx.input.total)  # refused


async def two_inputs(order: Order, receipt: Receipt) -> Receipt:
    return receipt


async def refund_receipt(ctx: TaskContext[Receipt]) -> None:
    assert ctx.input


wrong_input = Task[Receipt, Receipt](name="a", config=TaskConfig(run=charge))  # refused
wrong_output = Task[Order, Order](name="b", config=TaskConfig(run=charge))  # refused
no_output = Task[Order, None](name="c", config=TaskConfig(run=charge))  # refused
wrong_input_sync = Task[Receipt, Receipt](name="d", config=TaskConfig(run=charge_in_a_thread))  # refused
wrong_output_sync = Task[Order, Order](name="e", config=TaskConfig(run=charge_in_a_thread))  # refused
wrong_output_bare = Task[None, Order](name="f", config=TaskConfig(run=load))  # refused
wrong_context = Task[Receipt, Receipt](name="g", config=TaskConfig(run=charge_with_context))  # refused
too_many = Task[Order, Receipt](name="h", config=TaskConfig(run=two_inputs))  # refused
not_a_handler = Task[Order, Receipt](name="i", config=TaskConfig(run="charge"))  # refused
wrong_cancel = Task[Order, Receipt](name="j", config=TaskConfig(run=charge, on_cancel=refund_receipt))  # refused
not_a_model = Task[int, Receipt](name="k", config=TaskConfig(run=load))  # refused

unknown_key = TaskConfig(run=charge, retry=3)  # refused
timeout_as_number = TaskConfig(run=charge, timeout=30)  # refused
retries_as_text = TaskConfig(run=charge, retries="3")  # refused
child_by_name = TaskConfig(run=charge, on_complete=["store"])  # refused
unknown_source = TaskConfig(run=charge, input_from="store")  # refused
delay_as_number = TaskConfig(run=charge, retry_delay=2)  # refused
one_class = TaskConfig(run=charge, no_retry_for=ValueError)  # refused
class_by_name = TaskConfig(run=charge, no_retry_for=("ValueError",))  # refused
unknown_choice = TaskConfig(run=charge, on_failure="wait")  # refused
no_run = TaskConfig(timeout="5m")  # refused
no_name = Task[Order, Receipt](config=TaskConfig(run=charge))  # refused

fine = Task[Order, Receipt](name="fine", config=TaskConfig(run=charge))
fine.config.on_complete = [charge]  # refused
fine.config.on_success = [fine]  # refused

no_start = Workflow(name="A", config=WorkflowConfig(timeout="1h"))  # refused
start_by_name = Workflow(name="B", config=WorkflowConfig(starting_task="fine"))  # refused
unknown_setting = Workflow(name="C", config=WorkflowConfig(starting_task=fine, cron="0 0 * * *"))  # refused
hook_of_other_input = Workflow(name="D", config=WorkflowConfig(starting_task=fine, on_failure=fine))  # refused
hook_by_function = Workflow(name="E", config=WorkflowConfig(starting_task=fine, on_success=charge))  # refused
unknown_default = Workflow(name="F", config=WorkflowConfig(starting_task=fine, on_task_failure="wait"))  # refused

unknown_overlap = Schedule(cron="@daily", overlap="queue")  # refused
unknown_catchup = Schedule(cron="@daily", catchup="some")  # refused
positional_cron = Schedule("@daily")  # refused
schedule_as_number = WorkflowConfig(starting_task=fine, schedule=5)  # refused
