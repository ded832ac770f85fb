"""From JSON to a handler's argument, the call, and back to JSON."""

from __future__ import annotations

import asyncio
import inspect
import logging
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib.calling import decode_input, encode_output, invoke, invoke_on_cancel, is_retryable
from moose_lib.dmv2.workflow import RunInfo, Task, TaskConfig, TaskContext
from moose_lib.errors import FieldFault, InvalidInput, InvalidOutput, NonRetryableError, ValueTooLarge
from moose_lib.plan.model import FieldSource, Source, ValueRef


class Order(BaseModel):
    number: int = 0
    raw: bytes = b""


class Receipt(BaseModel):
    total: Decimal
    raw: bytes = b""


class Summary(BaseModel):
    order: Order
    first: Receipt
    receipts: list[Receipt]
    note: str = "none"


def task(run: Any, given: type[BaseModel] | None = Order) -> Task[Any, Any]:  # Any: handlers of all kinds
    made: Task[Any, Any] = Task[given, Receipt](name="charge", config=TaskConfig(run=run))  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]  # made at run time
    return made


def context(given: object) -> TaskContext[Any]:  # Any: inputs of all kinds
    run = RunInfo(workflow="W", workflow_id="w-1", run_id="r", task="charge", attempt=1)
    return TaskContext(input=given, run=run, logger=logging.LoggerAdapter(logging.getLogger(__name__)))


def charge(order: Order) -> Receipt:
    return Receipt(total=Decimal(order.number))


def nothing() -> object:
    return "nothing"


def itself(anything: object, /) -> object:
    return anything


def same(ctx: TaskContext[Order]) -> object:
    return ctx


def with_options(order: str = "none", *, rate: int = 1) -> object:
    return order, rate


def all_of_them(*args: object) -> object:
    return args


RUN, FIRST, SECOND = ValueRef(), ValueRef(task="first"), ValueRef(task="second")


def test_the_output_of_another_task_becomes_the_input() -> None:
    found = decode_input(task(charge), Source(kind="task", values=(FIRST,)), [b'{"number": 3, "raw": "_w=="}'])

    assert found == Order(number=3, raw=b"\xff")


@pytest.mark.parametrize(("data", "number"), [(b'{"number": 3}', 3), (b"null", 0), (b"{}", 0)])
def test_the_run_input_becomes_the_input(data: bytes, number: int) -> None:
    assert decode_input(task(charge), Source(kind="run", values=(RUN,)), [data]) == Order(number=number)


def test_an_input_is_assembled_field_by_field() -> None:
    """The run's input is as people write it, `bytes` as text; the outputs are as tasks write them."""
    source = Source(
        kind="assembled",
        values=(RUN, FIRST, FIRST, SECOND),
        fields=(
            FieldSource(field="order", values=(RUN,)),
            FieldSource(field="first", values=(FIRST,)),
            FieldSource(field="receipts", values=(FIRST, SECOND), is_list=True),
        ),
    )
    first, second = b'{"total": "1.10", "raw": "_w=="}', b'{"total": "2"}'

    found = decode_input(task(itself, Summary), source, [b'{"raw": "hello"}', first, first, second])

    one = Receipt(total=Decimal("1.10"), raw=b"\xff")
    assert found == Summary(order=Order(raw=b"hello"), first=one, receipts=[one, Receipt(total=Decimal(2))])


def test_nothing_is_decoded_for_a_task_that_takes_nothing() -> None:
    assert decode_input(task(nothing, None), Source(kind="nothing"), []) is None
    assert decode_input(task(nothing), Source(kind="nothing"), []) is None


@pytest.mark.parametrize("source", [Source(kind="task", values=(FIRST,)), Source(kind="run", values=(RUN,))])
def test_a_value_that_does_not_fit_names_the_task_and_the_field(source: Source) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_input(task(charge), source, [b'{"number": "x"}'])

    assert str(caught.value).startswith("input of task 'charge' is not a valid Order: number: input should be")


def test_a_handler_gets_what_it_asks_for() -> None:
    given = context(Order(number=7))

    assert invoke(task(charge), given) == Receipt(total=Decimal(7))
    assert invoke(task(nothing), given) == "nothing"
    assert invoke(task(same), given) is given
    assert invoke(task(with_options), given) == ("none", 1)


def test_the_input_is_handed_over_by_position_whatever_the_parameter_is_called() -> None:
    assert invoke(task(itself), context(Order())) == Order()


def test_a_decorator_without_wraps_does_not_lose_the_input() -> None:
    """Its `*args` say nothing about the handler, but the task's input type does."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:  # Any: as decorators are written
        return charge(*args, **kwargs)

    assert invoke(task(wrapper), context(Order(number=7))) == Receipt(total=Decimal(7))
    assert invoke(task(all_of_them, None), context(None)) == ()


async def test_a_coroutine_is_handed_back_to_be_awaited() -> None:
    async def later(order: Order) -> Receipt:
        await asyncio.sleep(0)
        return charge(order)

    result = invoke(task(later), context(Order(number=7)))

    assert inspect.isawaitable(result)
    assert await result == Receipt(total=Decimal(7))


def test_on_cancel_shares_the_state_of_the_attempt() -> None:
    def stop(ctx: TaskContext[Order]) -> None:
        ctx.state["stopped"] = True

    given = context(Order())
    with_stop = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge, on_cancel=stop))

    assert invoke_on_cancel(with_stop, given) is None
    assert given.state == {"stopped": True}
    assert invoke_on_cancel(task(charge), given) is None


def test_an_output_is_checked_against_the_task() -> None:
    assert encode_output(task(charge), Receipt(total=Decimal("1.10"))) == b'{"total":"1.10","raw":""}'
    with pytest.raises(InvalidOutput, match="output of task 'charge' is not a valid Receipt: total: is missing"):
        encode_output(task(charge), {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("x"), True),
        (KeyError("x"), True),
        (NonRetryableError("declined"), False),
        (InvalidInput("task 'a'", "Order", [FieldFault(path="", reason="x")]), False),
        (InvalidOutput("a", "Order", []), False),
        (ValueTooLarge("it", field=None, size=2, limit=1), False),
    ],
)
def test_what_another_attempt_cannot_help_is_not_retried(error: Exception, *, expected: bool) -> None:
    assert is_retryable(error) is expected
