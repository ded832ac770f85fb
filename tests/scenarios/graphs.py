"""Shapes: what starts when, what waits for what, which value goes where."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Mapping, Sequence

from pydantic import BaseModel
from tests.scenarios.scenario import AnyTask, Expected, Observed, Scenario, before, chain, edges, journal, workflow

from moose_lib import Task, TaskConfig, TaskContext


class Order(BaseModel):
    order_id: str
    total: float = 1.0


class Stock(BaseModel):
    reserved: list[str]


class Payment(BaseModel):
    transaction: str


class Parcel(BaseModel):
    number: str


class Receipt(BaseModel):
    order_id: str
    lines: list[str]


class Number(BaseModel):
    value: int


def add_one(number: Number) -> Number:
    return Number(value=number.value + 1)


async def add_one_later(number: Number) -> Number:
    await asyncio.sleep(0.01)
    return Number(value=number.value + 1)


async def note_start(ctx: TaskContext[None]) -> None:
    """Only the shape matters."""
    journal.note(ctx, ctx.run.task)
    await asyncio.sleep(0.01)


async def until_noted(ctx: TaskContext[None], what: str) -> None:
    """Wait for another task of the run, in real or in virtual time; it may never come."""
    for _ in range(600):
        if what in journal.notes(ctx.run.workflow_id):
            return
        await asyncio.sleep(0.05)


def shape(name: str, graph: Mapping[str, Sequence[str]]) -> tuple[AnyTask, dict[str, AnyTask]]:
    """Tasks without values, wired as `graph` says."""
    tasks: dict[str, AnyTask] = {
        task: Task[None, None](name=task, config=TaskConfig(run=note_start, retries=0)) for task in graph
    }
    return edges(tasks, graph), tasks


def shaped(name: str, graph: Mapping[str, Sequence[str]], *, is_heavy: bool = False) -> Scenario:
    """A graph whose tasks all complete, each once."""
    first, _ = shape(name, graph)
    last = [task for task, children in graph.items() if not children]

    def check(seen: Observed) -> None:
        assert sorted(seen.notes) == sorted(graph), "each task runs once"
        position = {task: index for index, task in enumerate(seen.notes)}
        assert all(position[task] < position[child] for task in graph for child in graph[task])

    result = None if len(last) == 1 else dict.fromkeys(last)
    expected = Expected(tasks=dict.fromkeys(graph, "completed"), result=result, check=check)
    return Scenario(workflow=workflow(name, first), expected=expected, is_heavy=is_heavy)


def a_chain() -> Scenario:
    """Sync and async handlers by turns, each fed by the one before."""
    tasks = [
        Task[Number, Number](name=f"add{n}", config=TaskConfig(run=add_one if n % 2 else add_one_later))
        for n in range(6)
    ]
    expected = Expected(tasks={task.name: "completed" for task in tasks}, result=Number(value=16))
    return Scenario(workflow=workflow("Chain", chain(*tasks)), input=Number(value=10), expected=expected)


def siblings_meet() -> Scenario:
    """Each sibling waits until the other one runs, so they complete only if they overlap."""
    meeting: dict[str, asyncio.Barrier] = {}

    async def meet(ctx: TaskContext[None]) -> None:
        barrier = meeting.setdefault(ctx.run.workflow_id, asyncio.Barrier(3))
        async with asyncio.timeout(20), barrier:
            journal.note(ctx, "met")

    tasks: dict[str, AnyTask] = {"start": Task[None, None](name="start", config=TaskConfig(run=note_start))}
    for name in ("left", "middle", "right"):
        tasks[name] = Task[None, None](name=name, config=TaskConfig(run=meet, retries=0))
    names = ["left", "middle", "right"]
    expected = Expected(
        tasks=dict.fromkeys(tasks, "completed"), result=dict.fromkeys(names), notes=["start", "met", "met", "met"]
    )
    return Scenario(workflow=workflow("SiblingsMeet", edges(tasks, {"start": names})), expected=expected)


def threads_meet() -> Scenario:
    """The same for `def` handlers."""
    meeting: dict[str, threading.Barrier] = {}

    def meet(ctx: TaskContext[None]) -> None:
        meeting.setdefault(ctx.run.workflow_id, threading.Barrier(2)).wait(20)

    tasks: dict[str, AnyTask] = {"start": Task[None, None](name="start", config=TaskConfig(run=note_start))}
    for name in ("left", "right"):
        tasks[name] = Task[None, None](name=name, config=TaskConfig(run=meet, retries=0))
    expected = Expected(tasks=dict.fromkeys(tasks, "completed"), result={"left": None, "right": None})
    return Scenario(workflow=workflow("ThreadsMeet", edges(tasks, {"start": ["left", "right"]})), expected=expected)


async def validate_order(order: Order) -> Order:
    return order


async def check_inventory(order: Order) -> Stock:
    return Stock(reserved=[order.order_id])


def process_payment(order: Order) -> Payment:
    return Payment(transaction=f"txn_{order.order_id}")


async def arrange_shipping(order: Order) -> Parcel:
    return Parcel(number=f"ship_{order.order_id}")


async def finalize_order(ctx: TaskContext[Order]) -> Receipt:
    journal.note(ctx, "finalized")
    return Receipt(order_id=ctx.input.order_id, lines=["done"])


def the_order_graph() -> Scenario:
    """The spec's: two parents of `finalizeOrder`, which runs once and gets the order of `validateOrder`."""
    tasks: dict[str, AnyTask] = {
        "validateOrder": Task[Order, Order](name="validateOrder", config=TaskConfig(run=validate_order)),
        "checkInventory": Task[Order, Stock](name="checkInventory", config=TaskConfig(run=check_inventory)),
        "processPayment": Task[Order, Payment](name="processPayment", config=TaskConfig(run=process_payment)),
        "arrangeShipping": Task[Order, Parcel](name="arrangeShipping", config=TaskConfig(run=arrange_shipping)),
        "finalizeOrder": Task[Order, Receipt](name="finalizeOrder", config=TaskConfig(run=finalize_order)),
    }
    graph = {
        "validateOrder": ["checkInventory"],
        "checkInventory": ["processPayment", "arrangeShipping"],
        "processPayment": ["finalizeOrder"],
        "arrangeShipping": ["finalizeOrder"],
    }
    expected = Expected(
        tasks=dict.fromkeys(tasks, "completed"),
        result=Receipt(order_id="7", lines=["done"]),
        notes=["finalized"],
    )
    return Scenario(workflow=workflow("Orders", edges(tasks, graph)), input=Order(order_id="7"), expected=expected)


class Job(BaseModel):
    payment: Payment
    parcel: Parcel
    order: Order


class Totals(BaseModel):
    parts: list[Number]


def assembled_by_type() -> Scenario:
    """Each field is filled by the nearest value of its type, the run's input among them."""

    async def finish(job: Job) -> Receipt:
        return Receipt(order_id=job.order.order_id, lines=[job.payment.transaction, job.parcel.number])

    tasks: dict[str, AnyTask] = {
        "check": Task[Order, Stock](name="check", config=TaskConfig(run=check_inventory)),
        "pay": Task[Order, Payment](name="pay", config=TaskConfig(run=process_payment)),
        "ship": Task[Order, Parcel](name="ship", config=TaskConfig(run=arrange_shipping)),
        "finish": Task[Job, Receipt](name="finish", config=TaskConfig(run=finish)),
    }
    first = edges(tasks, {"check": ["pay", "ship"], "pay": ["finish"], "ship": ["finish"]})
    expected = Expected(
        tasks=dict.fromkeys(tasks, "completed"), result=Receipt(order_id="9", lines=["txn_9", "ship_9"])
    )
    return Scenario(workflow=workflow("Assembled", first), input=Order(order_id="9"), expected=expected)


def collected_in_a_list() -> Scenario:
    """A field `list[T]` has the `T` outputs of all parents in declared order, whoever was first."""

    def times(factor: int, pause: float) -> AnyTask:
        async def multiply(number: Number) -> Number:
            await asyncio.sleep(pause)
            return Number(value=number.value * factor)

        return Task[Number, Number](name=f"times{factor}", config=TaskConfig(run=multiply))

    async def collect(totals: Totals) -> Totals:
        return totals

    parts = [times(2, 0.2), times(3, 0.1), times(5, 0.0)]
    last = Task[Totals, Totals](name="collect", config=TaskConfig(run=collect))
    start = Task[Number, Number](name="start", config=TaskConfig(run=add_one, on_complete=[*parts]))
    for part in parts:
        part.config.on_complete = [last]
    numbers = [Number(value=value) for value in (4, 6, 10)]
    expected = Expected(
        tasks=dict.fromkeys(["start", *(part.name for part in parts), "collect"], "completed"),
        result=Totals(parts=numbers),
    )
    return Scenario(workflow=workflow("Collected", start), input=Number(value=1), expected=expected)


class Wide(BaseModel):
    order_id: str
    total: float
    extra: str = "kept back"


class Narrow(BaseModel):
    order_id: str
    total: float


def read_from_a_wider_model() -> Scenario:
    """A single parent whose output has all fields is enough; what is not asked for is left out."""

    async def widen(order: Order) -> Wide:
        return Wide(order_id=order.order_id, total=order.total + 1)

    async def narrow(narrow: Narrow) -> Narrow:
        return narrow

    last = Task[Narrow, Narrow](name="narrow", config=TaskConfig(run=narrow))
    first = Task[Order, Wide](name="widen", config=TaskConfig(run=widen, on_complete=[last]))
    expected = Expected(tasks={"widen": "completed", "narrow": "completed"}, result=Narrow(order_id="3", total=2.0))
    return Scenario(workflow=workflow("Narrowed", first), input=Order(order_id="3"), expected=expected)


def several_last_tasks() -> Scenario:
    """The result is an object of the last tasks' outputs by name, nothing where a task returns nothing."""
    quiet = Task[None, None](name="quiet", config=TaskConfig(run=note_start))
    plus = Task[Number, Number](name="plus", config=TaskConfig(run=add_one))
    first = Task[Number, Number](name="first", config=TaskConfig(run=add_one, on_complete=[plus, quiet]))
    expected = Expected(
        tasks=dict.fromkeys(["first", "plus", "quiet"], "completed"), result={"plus": Number(value=3), "quiet": None}
    )
    return Scenario(workflow=workflow("SeveralLast", first), input=Number(value=1), expected=expected)


def a_slow_branch_does_not_hold_a_fast_one() -> Scenario:
    """No barrier between levels: the child of a fast task starts while its slow sibling still runs."""

    async def slow(ctx: TaskContext[None]) -> None:
        await until_noted(ctx, "after_fast")
        journal.note(ctx, "slow ended")

    tasks: dict[str, AnyTask] = {
        name: Task[None, None](name=name, config=TaskConfig(run=slow if name == "slow" else note_start))
        for name in ("start", "slow", "fast", "after_fast")
    }
    first = edges(tasks, {"start": ["slow", "fast"], "fast": ["after_fast"]})
    expected = Expected(
        tasks=dict.fromkeys(tasks, "completed"),
        result={"slow": None, "after_fast": None},
        check=before("after_fast", "slow ended"),
    )
    return Scenario(workflow=workflow("FastBranch", first), expected=expected)


def layered(layers: int, width: int) -> dict[str, list[str]]:
    """A graph of full layers: everything of one waits for everything of the one before."""
    names = [[f"l{layer}w{column}" for column in range(width)] for layer in range(layers)]
    graph: dict[str, list[str]] = {"start": names[0], "end": []}
    for layer, following in zip(names, [*names[1:], ["end"]], strict=True):
        graph |= dict.fromkeys(layer, following)
    return graph


def wide(width: int) -> dict[str, list[str]]:
    middle = [f"t{number:04}" for number in range(width)]
    return {"start": middle, **{name: ["end"] for name in middle}, "end": []}


def deep(depth: int) -> dict[str, list[str]]:
    names = [f"t{number:04}" for number in range(depth)]
    return {name: [following] for name, following in itertools.pairwise(names)} | {names[-1]: []}


DIAMOND = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}
NESTED_DIAMONDS = {
    "a": ["b", "c"],
    "b": ["d", "e"],
    "c": ["f", "g"],
    "d": ["h"],
    "e": ["h"],
    "f": ["i"],
    "g": ["i"],
    "h": ["j"],
    "i": ["j"],
    "j": [],
}
SHORT_CUT = {"a": ["b", "d"], "b": ["c"], "c": ["d"], "d": []}

SCENARIOS = [
    a_chain(),
    siblings_meet(),
    threads_meet(),
    the_order_graph(),
    assembled_by_type(),
    collected_in_a_list(),
    read_from_a_wider_model(),
    several_last_tasks(),
    a_slow_branch_does_not_hold_a_fast_one(),
    shaped("Single", {"only": []}),
    shaped("Diamond", DIAMOND),
    shaped("NestedDiamonds", NESTED_DIAMONDS),
    shaped("ShortCut", SHORT_CUT),
    shaped("FanOut", {"start": ["a", "b", "c", "d"], "a": [], "b": [], "c": [], "d": []}),
    shaped("Layers", layered(3, 4)),
    shaped("Deep", deep(1000), is_heavy=True),
    shaped("Wide", wide(1000), is_heavy=True),
]
