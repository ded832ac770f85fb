"""A task that runs after the run, told how it ended: to send a message, or to clean up."""

from __future__ import annotations

from pydantic import BaseModel

from moose_lib import RunOutcome, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import run_local

sent = list[str]()


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    total: int


def charge(order: Order) -> Receipt:
    return Receipt(total=order.number * 10)


def thank(outcome: RunOutcome) -> None:
    sent.append(f"paid {outcome.result['total']}")


def apologise(outcome: RunOutcome) -> None:
    error = outcome.error
    assert error is not None  # in on_failure there always is one
    sent.append(f"{error.task}: {error} (attempt {error.attempts})")


charge_task = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge, retries=1))
orders = Workflow(
    name="GuideOrders",
    config=WorkflowConfig(
        starting_task=charge_task,
        on_success=Task[RunOutcome, None](name="thank", config=TaskConfig(run=thank)),
        on_failure=Task[RunOutcome, None](name="apologise", config=TaskConfig(run=apologise)),
    ),
)


def test_on_success_is_told_the_result() -> None:
    """As JSON gives it: dicts, lists, texts and numbers."""
    sent.clear()
    run_local(orders, Order(number=7))

    assert sent == ["paid 70"]


def test_on_failure_is_told_the_error() -> None:
    """Once, when the run has failed for good: after the retries of its tasks and its own."""
    sent.clear()
    run_local(orders, Order(number=7), fakes={"charge": ConnectionError("bank is offline")})

    assert sent == ["charge: ConnectionError: bank is offline (attempt 2)"]


def test_a_hook_that_fails_changes_nothing_else() -> None:
    """It has retries and a timeout of its own, and is shown beside the tasks."""
    run = run_local(orders, Order(number=7), fakes={"thank": OSError("no mail")})

    assert (run.state, run.result) == ("completed", Receipt(total=70))
    [hook] = run.hooks
    assert (hook.name, hook.state, len(hook.attempts)) == ("thank", "failed", 4)
