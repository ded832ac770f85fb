"""The measured graphs: the input of a run, and the result it must have."""

from dataclasses import dataclass

from pydantic import BaseModel

from benchmarks.work import WIDTH, FinishedOrder, Number, Order, Total


@dataclass(frozen=True, kw_only=True)
class Case:
    """One graph. `runs` at a time are timed one after another, `batch` runs with 50 of them in flight."""

    workflow: str
    title: str
    run_input: BaseModel
    result: BaseModel
    runs: int
    batch: int


ORDER = Order(order_id="17", user_id="ada", items=["lamp", "ink"], total_amount=46.15)

CASES = {
    case.workflow: case
    for case in (
        Case(
            workflow="chain",
            title="chain of 3",
            run_input=Number(value=0),
            result=Number(value=3),
            runs=40,
            batch=150,
        ),
        Case(
            workflow="order",
            title="order graph",
            run_input=ORDER,
            result=FinishedOrder(order_id="17", transaction_id="txn_17", shipping_id="ship_17"),
            runs=40,
            batch=150,
        ),
        Case(
            workflow="wide",
            title=f"{WIDTH}-wide",
            run_input=Number(value=0),
            result=Total(value=2 * WIDTH),
            runs=24,
            batch=50,
        ),
    )
}
