"""A task can park instead of failing its run; somebody decides then, and a test can say what."""

from __future__ import annotations

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import Fail, Retry, Skip, run_local


class Order(BaseModel):
    order_id: str


class Receipt(BaseModel):
    number: str


def charge(order: Order) -> Receipt:
    raise ConnectionError("terminal offline")


def reserve(order: Order) -> None:
    """Take it off the shelf."""


def ship(receipt: Receipt) -> Receipt:
    return receipt


ship_task = Task[Receipt, Receipt](name="ship", config=TaskConfig(run=ship))
charge_task = Task[Order, Receipt](
    name="charge", config=TaskConfig(run=charge, retries=2, on_failure="park", on_complete=[ship_task])
)
reserve_task = Task[Order, None](name="reserve", config=TaskConfig(run=reserve))
start_task = Task[Order, Order](
    name="start", config=TaskConfig(run=lambda order: order, on_complete=[charge_task, reserve_task])
)
orders = Workflow(name="GuideOperating", config=WorkflowConfig(starting_task=start_task))

ORDER = Order(order_id="7")


def test_a_parked_task_keeps_the_run_open() -> None:
    """Its siblings finish, what follows it waits, and the run has not failed."""
    run = run_local(orders, ORDER)

    assert run.state == "parked"
    assert {task.name: task.state.value for task in run.tasks} == {
        "start": "completed",
        "charge": "parked",
        "reserve": "completed",
        "ship": "waiting",
    }


def test_retry_runs_it_again_with_all_its_attempts() -> None:
    """`moose-cli workflow retry`: here the terminal is back after three calls."""
    run = run_local(
        orders, ORDER, fakes={"charge": Receipt(number="r1")}, fail={"charge": 3}, decisions={"charge": Retry()}
    )

    assert run.state == "completed"


def test_skip_goes_on_with_an_output_of_yours() -> None:
    """`moose-cli workflow skip --output`: several decisions are made one after the other."""
    run = run_local(orders, ORDER, decisions={"charge": [Retry(), Skip(Receipt(number="by phone"))]})

    assert run.task("ship").output == Receipt(number="by phone")


def test_fail_gives_the_run_up() -> None:
    """`moose-cli workflow fail`: the run fails with the error that parked the task."""
    run = run_local(orders, ORDER, decisions={"charge": Fail()})

    assert run.state == "failed"
    assert str(run.error) == "task 'charge' failed: ConnectionError: terminal offline"


def test_a_workflow_can_say_it_for_all_its_tasks() -> None:
    """`on_task_failure` is for the tasks that do not say themselves."""
    only_task = Task[Order, Receipt](name="only", config=TaskConfig(run=charge, retries=0))
    workflow = Workflow(name="GuideParkAll", config=WorkflowConfig(starting_task=only_task, on_task_failure="park"))

    assert run_local(workflow, ORDER).state == "parked"
