"""Stand-ins for handlers, and attempts that are told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from tests.unit.testing.orders import Order, Parcel, Receipt, order_workflow

from moose_lib import TaskContext
from moose_lib.errors import InvalidOutput, TaskNotFound
from moose_lib.testing import InjectedFailure, run_local

ORDER = Order(order_id="7")
RECEIPT = Receipt(number="fake")


def test_an_output_stands_in_for_a_handler() -> None:
    run = run_local(order_workflow(), ORDER, fakes={"charge": RECEIPT})

    assert run.result == Parcel(receipt="fake")
    assert run.duration.total_seconds() < 30


def test_nothing_stands_in_for_a_handler_that_returns_nothing() -> None:
    run = run_local(order_workflow(is_branching=True), ORDER, fakes={"note": None})

    assert run.state == "completed"


def test_a_function_is_called_like_a_handler() -> None:
    async def by_context(ctx: TaskContext[Order]) -> Receipt:
        await asyncio.sleep(1)
        return Receipt(number=f"{ctx.input.order_id}, attempt {ctx.run.attempt}")

    def by_input(order: Order) -> Receipt:
        return Receipt(number=f"{order.order_id}, attempt 1")

    fakes: Sequence[Any] = [  # Any: handlers of all kinds
        by_context,
        by_input,
        lambda: Receipt(number="7, attempt 1"),
    ]
    for fake in fakes:
        assert run_local(order_workflow(), ORDER, fakes={"charge": fake}).result == Parcel(receipt="7, attempt 1")


@pytest.mark.parametrize("mock", [MagicMock, AsyncMock])
def test_a_mock_sees_the_input(mock: Any) -> None:  # Any: either class of mock
    charge = mock(return_value=RECEIPT)
    run = run_local(order_workflow(), ORDER, fakes={"charge": charge})

    assert run.result == Parcel(receipt="fake")
    charge.assert_called_once_with(ORDER)


def test_an_exception_is_raised_in_every_attempt() -> None:
    run = run_local(order_workflow(), ORDER, fakes={"charge": ValueError("no")})

    assert [attempt.error and attempt.error.message for attempt in run.task("charge").attempts] == ["no"] * 4


def test_the_real_handler_is_back_in_the_next_run() -> None:
    workflow = order_workflow()
    run_local(workflow, ORDER, fakes={"charge": RECEIPT})

    assert run_local(workflow, ORDER).result == Parcel(receipt="r7")


def test_a_fake_output_of_the_wrong_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(InvalidOutput, match="output of task 'charge' is not a valid Receipt"):
        run_local(order_workflow(), ORDER, fakes={"charge": ORDER})


def test_a_fake_function_of_the_wrong_model_fails_its_task() -> None:
    run = run_local(order_workflow(), ORDER, fakes={"charge": lambda: ORDER})

    assert run.error is not None
    assert (run.error.task, run.error.type) == ("charge", "InvalidOutput")
    assert len(run.task("charge").attempts) == 1


def test_the_first_attempts_fail() -> None:
    run = run_local(order_workflow(), ORDER, fail={"charge": 2})

    errors = [attempt.error for attempt in run.task("charge").attempts]
    assert [error and error.type for error in errors] == ["InjectedFailure", "InjectedFailure", None]
    assert errors[0] is not None
    assert isinstance(errors[0].exception, InjectedFailure)
    assert errors[0].message == "attempt 1 of task 'charge' was told to fail"
    assert run.result == Parcel(receipt="r7")


def test_the_first_attempts_fail_with_these_exceptions() -> None:
    run = run_local(order_workflow(), ORDER, fail={"charge": [ValueError("first"), ConnectionError]})

    assert [attempt.error and attempt.error.summary for attempt in run.task("charge").attempts] == [
        "ValueError: first",
        "ConnectionError",
        None,
    ]


def test_a_fake_can_fail_first_too() -> None:
    run = run_local(order_workflow(), ORDER, fakes={"charge": RECEIPT}, fail={"charge": 1})

    assert len(run.task("charge").attempts) == 2
    assert run.result == Parcel(receipt="fake")


def test_failures_cannot_be_fewer_than_none() -> None:
    with pytest.raises(ValueError, match=r"fail=\{'charge': -1\}"):
        run_local(order_workflow(), ORDER, fail={"charge": -1})


@pytest.mark.parametrize("which", ["fakes", "fail"])
def test_a_name_that_no_task_has_is_refused(which: str) -> None:
    options: dict[str, Any] = {which: {"chargee": 1}}  # Any: either option
    with pytest.raises(TaskNotFound, match="workflow 'Orders' has no task 'chargee'") as raised:
        run_local(order_workflow(), ORDER, **options)
    assert raised.value.hint == "did you mean 'charge'?"
