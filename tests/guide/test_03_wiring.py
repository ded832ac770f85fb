"""The type of a handler's input says which value it gets: nobody passes values by hand."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from moose_lib import InvalidDefinition, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import run_local


class Order(BaseModel):
    order_id: str
    amount: int


class Check(BaseModel):
    is_valid: bool


class Receipt(BaseModel):
    order_id: str
    paid: int


class Part(BaseModel):
    number: int


class Parts(BaseModel):
    parts: list[Part]


async def check(order: Order) -> Check:
    return Check(is_valid=order.amount > 0)


async def charge(order: Order) -> Receipt:
    return Receipt(order_id=order.order_id, paid=order.amount)


def test_the_nearest_value_of_the_type_is_taken() -> None:
    """`charge` wants an `Order`: its parent returns a `Check`, so it gets the run's input."""
    charge_task = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge))
    check_task = Task[Order, Check](name="check", config=TaskConfig(run=check, on_complete=[charge_task]))
    payment = Workflow(name="GuidePayment", config=WorkflowConfig(starting_task=check_task))

    assert run_local(payment, Order(order_id="7", amount=3)).result == Receipt(order_id="7", paid=3)


def test_a_list_collects_the_outputs_of_all_parents() -> None:
    """A field `list[Part]` has one entry for each parent that returns a `Part`, in declared order."""

    def make(number: int) -> Task[None, Part]:
        async def make_part() -> Part:
            return Part(number=number)

        return Task[None, Part](name=f"part{number}", config=TaskConfig(run=make_part, on_complete=[collect_task]))

    async def collect(parts: Parts) -> Parts:
        return parts

    async def begin() -> None:
        """Nothing to do: its children start together."""

    collect_task = Task[Parts, Parts](name="collect", config=TaskConfig(run=collect))
    begin_task = Task[None, None](name="begin", config=TaskConfig(run=begin, on_complete=[make(1), make(2)]))
    assembly = Workflow(name="GuideAssembly", config=WorkflowConfig(starting_task=begin_task))

    assert run_local(assembly).result == Parts(parts=[Part(number=1), Part(number=2)])


def test_two_values_that_fit_equally_are_an_error_until_you_choose() -> None:
    """Wiring never guesses: the error names both candidates, and `input_from` decides."""

    async def use(part: Part) -> Part:
        return part

    async def begin() -> None:
        """Nothing to do."""

    use_task = Task[Part, Part](name="use", config=TaskConfig(run=use))
    left = Task[None, Part](name="left", config=TaskConfig(run=lambda: Part(number=1), on_complete=[use_task]))
    right = Task[None, Part](name="right", config=TaskConfig(run=lambda: Part(number=2), on_complete=[use_task]))
    begin_task = Task[None, None](name="begin", config=TaskConfig(run=begin, on_complete=[left, right]))
    choice = Workflow(name="GuideChoice", config=WorkflowConfig(starting_task=begin_task))

    with pytest.raises(InvalidDefinition, match=r"left.*right"):
        run_local(choice)

    use_task.config.input_from = right
    assert run_local(choice).result == Part(number=2)
