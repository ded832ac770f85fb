"""The code has changed between a run and its resumption: what still holds is kept, and the rest says why it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from tests.integration.engine.support import Engine, failure
from tests.integration.operations.resuming import Clerk, named, verdicts

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows
from moose_lib.errors import InvalidInput, NotResumable

AnyTask = Task[Any, Any]  # Any: tasks have models of their own


class Order(BaseModel):
    order_id: str


class Receipt(BaseModel):
    number: str


class Parcel(BaseModel):
    weight: int


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


def workflow(name: str, start: AnyTask) -> Workflow:
    """The code of now replaces that of before."""
    registered_workflows().pop(name, None)
    return Workflow(name=name, config=WorkflowConfig(starting_task=start))


def doing(calls: Counter[str], name: str, kind: Any, output: object) -> Callable[..., object]:
    """A handler that takes a `kind` and answers with `output`, or raises it."""

    def run(given: Any) -> Any:  # Any: annotated below
        calls[name] += 1
        if isinstance(output, Exception):
            raise output
        return output

    run.__annotations__ = {"given": kind, "return": None if isinstance(output, Exception) else type(output)}
    return run


def task(
    calls: Counter[str], name: str, takes: Any, gives: Any, output: object, *after: AnyTask, raises: bool = False
) -> AnyTask:
    handler = doing(calls, name, takes, output)
    handler.__annotations__["return"] = gives
    made: AnyTask = Task[takes, gives](name=name, config=TaskConfig(run=handler, retries=0, on_complete=[*after]))
    return made


def orders(calls: Counter[str], name: str, *, ships: object) -> Workflow:
    """check → charge → ship; `ships` is what the last one does."""
    ship = task(calls, "ship", Receipt, Parcel, ships)
    charge = task(calls, "charge", Order, Receipt, Receipt(number="r1"), ship)
    check = task(calls, "check", Order, Order, Order(order_id="checked"), charge)
    return workflow(name, check)


BROKEN = OSError("no stamps")


async def failed(clerk: Clerk, made: Workflow, run_input: object = None) -> str:
    """Run it to its failure; its workflow id."""
    async with clerk.engine.worker(made):
        handle = await clerk.engine.start(made, run_input or {"order_id": "7"})
        await failure(handle)
    return handle.id


async def resumed(clerk: Clerk, run: str, made: Workflow) -> tuple[dict[str, str], bytes | None]:
    """What was decided, and the result."""
    async with clerk.engine.worker(made):
        resumption = await clerk.prepare(run, made)
        status = await clerk.end(await clerk.start(resumption))
    assert status.error is None
    return verdicts(resumption), status.result


async def test_a_new_handler_does_not_run_a_finished_task_again(clerk: Clerk, calls: Counter[str]) -> None:
    """Corrected code is for what has not finished; the receipt is that of the first run."""
    name = named("Handler")
    run = await failed(clerk, orders(calls, name, ships=BROKEN))
    now = orders(calls, name, ships=Parcel(weight=3))
    decided, result = await resumed(clerk, run, now)

    assert decided == {
        "check": "kept: completed",
        "charge": "kept: completed",
        "ship": "re-run: failed: OSError: no stamps",
    }
    assert result == b'{"weight":3}'
    assert calls == {"check": 1, "charge": 1, "ship": 2}


async def test_an_output_that_does_not_fit_its_model_is_made_again(clerk: Clerk, calls: Counter[str]) -> None:
    """With all that follows; the reason names the field."""
    name = named("Output")
    run = await failed(clerk, orders(calls, name, ships=BROKEN))

    class Receipt(BaseModel):
        number: str
        currency: str

    ship = task(calls, "ship", Receipt, Parcel, Parcel(weight=3))
    charge = task(calls, "charge", Order, Receipt, Receipt(number="r2", currency="EUR"), ship)
    now = workflow(name, task(calls, "check", Order, Order, Order(order_id="checked"), charge))
    decided, result = await resumed(clerk, run, now)

    assert decided == {
        "check": "kept: completed",
        "charge": "re-run: its output does not fit the model of now: currency: is missing",
        "ship": "re-run: failed: OSError: no stamps",
    }
    assert result == b'{"weight":3}'
    assert calls == {"check": 1, "charge": 2, "ship": 2}


async def test_a_task_whose_input_changed_runs_again(clerk: Clerk, calls: Counter[str]) -> None:
    """A field with a default was added: the old input would still do, but the task would do something else with it."""
    name = named("Input")
    run = await failed(clerk, orders(calls, name, ships=BROKEN))

    class Order(BaseModel):
        order_id: str
        currency: str = "EUR"

    ship = task(calls, "ship", Receipt, Parcel, Parcel(weight=3))
    charge = task(calls, "charge", Order, Receipt, Receipt(number="r2"), ship)
    now = workflow(name, task(calls, "check", Order, Order, Order(order_id="checked"), charge))
    decided, _ = await resumed(clerk, run, now)

    assert decided == {
        "check": "re-run: input model changed: field `currency` added",
        "charge": "re-run: comes after check, which runs again",
        "ship": "re-run: failed: OSError: no stamps",
    }
    assert calls == {"check": 2, "charge": 2, "ship": 2}


async def test_new_tasks_run_and_removed_ones_are_told(clerk: Clerk, calls: Counter[str]) -> None:
    """A task between two finished ones runs, and so does what follows it."""
    name = named("Graph")
    run = await failed(clerk, orders(calls, name, ships=BROKEN))

    pack = task(calls, "pack", Receipt, Parcel, Parcel(weight=4))
    charge = task(calls, "charge", Order, Receipt, Receipt(number="r2"), pack)
    audit = task(calls, "audit", Order, Order, Order(order_id="audited"), charge)
    now = workflow(name, task(calls, "check", Order, Order, Order(order_id="checked"), audit))
    decided, result = await resumed(clerk, run, now)

    assert decided == {
        "check": "kept: completed",
        "audit": "added: not in the plan of the run",
        "charge": "re-run: comes after audit, which is new",
        "pack": "added: not in the plan of the run",
        "ship": "removed: not in the plan of now",
    }
    assert result == b'{"weight":4}'
    assert calls == {"check": 1, "audit": 1, "charge": 2, "pack": 1, "ship": 1}


async def test_a_task_that_is_fed_by_another_value_runs_again(clerk: Clerk, calls: Counter[str]) -> None:
    """It got the order that was checked, and gets that of the run's input now."""
    name = named("Wiring")
    run = await failed(clerk, orders(calls, name, ships=BROKEN))

    ship = task(calls, "ship", Receipt, Parcel, Parcel(weight=3))
    charge = task(calls, "charge", Order, Receipt, Receipt(number="r2"), ship)
    now = workflow(name, task(calls, "check", Order, None, None, charge))
    decided, _ = await resumed(clerk, run, now)

    assert decided == {
        "check": "kept: completed",
        "charge": "re-run: its input was output of check, and is input of the run",
        "ship": "re-run: failed: OSError: no stamps",
    }


async def test_an_input_that_does_not_fit_starts_nothing(clerk: Clerk, calls: Counter[str]) -> None:
    """The fault is told as for a new run."""
    name = named("Refused")
    run = await failed(clerk, orders(calls, name, ships=BROKEN))

    class Order(BaseModel):
        order_id: int
        customer: str

    now = workflow(name, task(calls, "check", Order, Parcel, Parcel(weight=1)))
    with pytest.raises(InvalidInput) as refused:
        await clerk.prepare(run, now)
    assert [(fault.path, fault.reason) for fault in refused.value.faults] == [("customer", "is missing")]
    assert refused.value.hint == (
        f"the run's input does not fit the code of now; start a new one: moose-cli workflow run {name}"
    )


class Text(BaseModel):
    text: str


def texts(calls: Counter[str], name: str, *, ends: object) -> Workflow:
    """Two tasks whose outputs are too large for the history, and one that takes the second."""
    size = 400_000
    end = task(calls, "end", Text, Parcel, ends)
    second = task(calls, "second", Text, Text, Text(text="b" * size), end)
    return workflow(name, task(calls, "first", Text, Text, Text(text="a" * size), second))


def forget(engine: Engine, letter: bytes) -> None:
    """Delete the stored values that are made of this letter."""
    found = [file for file in engine.settings.values_directory.rglob("*") if file.is_file()]
    made_of_it = [file for file in found if letter * 100 in file.read_bytes()]
    assert made_of_it != []
    for file in made_of_it:
        file.unlink()


async def test_large_outputs_are_kept_by_reference(clerk: Clerk, calls: Counter[str]) -> None:
    """Nothing runs again for being large."""
    name = named("Large")
    run = await failed(clerk, texts(calls, name, ends=BROKEN), {"text": "x"})
    decided, result = await resumed(clerk, run, texts(calls, name, ends=Parcel(weight=5)))

    assert list(decided.values())[:2] == ["kept: completed", "kept: completed"]
    assert result == b'{"weight":5}'
    assert calls == {"first": 1, "second": 1, "end": 2}


async def test_an_output_that_is_gone_is_made_again(clerk: Clerk, calls: Counter[str]) -> None:
    """But only if it is needed: that of the first task is not, as long as the second's is there."""
    name = named("Gone")
    run = await failed(clerk, texts(calls, name, ends=BROKEN), {"text": "x"})
    now = texts(calls, name, ends=Parcel(weight=5))
    forget(clerk.engine, b"a")
    first_gone = await clerk.prepare(run, now)
    forget(clerk.engine, b"b")
    decided, result = await resumed(clerk, run, now)

    assert verdicts(first_gone)["first"] == "kept: completed"
    assert decided == {
        "first": "re-run: its output is no longer stored",
        "second": "re-run: comes after first, which runs again",
        "end": "re-run: failed: OSError: no stamps",
    }
    assert result == b'{"weight":5}'


async def test_an_input_that_is_gone_is_told(clerk: Clerk, calls: Counter[str]) -> None:
    """The run cannot go on with another one, not even with the model's defaults."""
    name = named("Inputless")
    run = await failed(clerk, texts(calls, name, ends=BROKEN), {"text": "c" * 400_000})
    now = texts(calls, name, ends=Parcel(weight=5))
    forget(clerk.engine, b"c")
    with pytest.raises(NotResumable, match=f"the input of run '{run}' is no longer stored") as refused:
        await clerk.prepare(run, now)
    assert refused.value.hint == f"start a new run: moose-cli workflow run {name}"
