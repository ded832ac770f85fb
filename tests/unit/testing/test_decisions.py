"""Parked tasks in local runs: what a test decides about them, and what is refused before anything runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows
from moose_lib.errors import InvalidOutput, RunFailed, TaskNotFound
from moose_lib.testing import Fail, Retry, Skip, run_local


class Order(BaseModel):
    order_id: str = "7"


class Receipt(BaseModel):
    number: str


calls = list[str]()


async def charge(order: Order) -> Receipt:
    calls.append("charge")
    raise ValueError("terminal offline")


async def ship(receipt: Receipt) -> Receipt:
    return receipt


def orders(*, on_failure: Any = "park", **config: Any) -> Workflow:  # Any: settings of all kinds
    calls.clear()
    ship_task = Task[Receipt, Receipt](name="ship", config=TaskConfig(run=ship))
    charge_task = Task[Order, Receipt](
        name="charge", config=TaskConfig(run=charge, retries=1, on_failure=on_failure, on_complete=[ship_task])
    )
    made = Workflow(name="Parking", config=WorkflowConfig(starting_task=charge_task, **config))
    registered_workflows().pop("Parking")
    return made


def test_a_parked_run_has_no_result_and_no_error() -> None:
    """It has not failed: somebody still has to decide. Its task knows why it is parked."""
    run = run_local(orders(retries=5), Order())

    assert (run.state, run.result, run.error, run.starts) == ("parked", None, None, 1)
    assert [task.name for task in run.parked] == ["charge"]
    assert str(run.task("charge")) == "charge parked, 2 attempts, 1s: ValueError: terminal offline"
    assert run.task("ship").state == "waiting"
    assert repr(run) == "<LocalRun Parking parked: 2 tasks, 1s>"
    with pytest.raises(RunFailed, match="workflow 'Parking' is parked: task 'charge' failed: ValueError") as failed:
        run.raise_for_failure()
    assert isinstance(failed.value.__cause__, ValueError)


def test_attempts_that_fail_are_counted_over_retries() -> None:
    """`fail` says how many calls fail; a retried task begins with attempt 1 again."""
    fakes = {"charge": Receipt(number="r1")}
    parked = run_local(orders(), Order(), fakes=fakes, fail={"charge": 2})
    retried = run_local(orders(), Order(), fakes=fakes, fail={"charge": 3}, decisions={"charge": Retry()})

    assert parked.state == "parked"
    assert retried.result == Receipt(number="r1")
    assert [attempt.number for attempt in retried.task("charge").attempts] == [1, 2]


def test_a_skipped_task_has_the_output_that_was_given() -> None:
    """And the attempts that failed."""
    run = run_local(orders(), Order(), decisions={"charge": [Retry(), Skip(Receipt(number="by phone"))]})

    assert (run.state, run.result) == ("completed", Receipt(number="by phone"))
    assert run.task("charge").output == Receipt(number="by phone")
    assert calls == ["charge"] * 4


def test_a_run_that_is_given_up_does_not_start_again() -> None:
    """Whatever `retries` the workflow has: somebody wanted it to fail."""
    run = run_local(orders(retries=5), Order(), decisions={"charge": Fail()})

    assert (run.state, run.starts) == ("failed", 1)
    assert run.error is not None
    assert (run.error.task, run.error.summary) == ("charge", "ValueError: terminal offline")


def test_giving_up_is_about_all_that_is_parked() -> None:
    """The healthy branch finishes first."""

    async def slow() -> None:
        await asyncio.sleep(60)

    def bad() -> None:
        raise ValueError("no")

    parts = [
        Task[None, None](name="first", config=TaskConfig(run=bad, retries=0, on_failure="park")),
        Task[None, None](name="second", config=TaskConfig(run=bad, retries=1, on_failure="park")),
        Task[None, None](name="slow", config=TaskConfig(run=slow)),
    ]
    start = Task[None, None](name="start", config=TaskConfig(run=slow, on_complete=[*parts]))
    workflow = Workflow(name="GivenUp", config=WorkflowConfig(starting_task=start))
    registered_workflows().pop("GivenUp")
    run = run_local(workflow, decisions={"second": Fail()})

    assert {task.name: task.state.value for task in run.tasks} == {
        "start": "completed",
        "first": "failed",
        "second": "failed",
        "slow": "completed",
    }


def test_a_parked_run_is_canceled_if_the_test_says_so() -> None:
    """A timeout of the workflow does not end it: nobody waits for that in a test."""
    assert run_local(orders(timeout="1h"), Order()).state == "parked"
    canceled = run_local(orders(), Order(), cancel_at="1h")
    assert (canceled.state, canceled.task("charge").state) == ("canceled", "failed")


def test_wrong_decisions_are_told_before_anything_runs() -> None:
    """A task that is not there or never parks, and an output that does not fit."""
    with pytest.raises(TaskNotFound, match="has no task 'chrage'"):
        run_local(orders(), Order(), decisions={"chrage": Retry()})
    with pytest.raises(ValueError, match=r"decisions=\{'ship': …\}: the task does not park"):
        run_local(orders(), Order(), decisions={"ship": Retry()})
    wrong: list[Any] = ["retry", Retry, [Retry(), "skip"]]  # Any: what a type checker would refuse
    for made in wrong:
        with pytest.raises(TypeError, match=r"decisions=\{'charge': .*: write Retry\(\), Skip\(output\), Fail\(\)"):
            run_local(orders(), Order(), decisions={"charge": made})
    with pytest.raises(InvalidOutput):
        run_local(orders(), Order(), decisions={"charge": Skip(Order())})
    with pytest.raises(InvalidOutput):
        run_local(orders(), Order(), decisions={"charge": Skip()})
    assert calls == []
