"""Which value feeds which task, by the documented rules in their order."""

from __future__ import annotations

from typing import List, Optional  # noqa: UP035  # users write it so

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel
from tests.unit.plan.graphs import AnyTask, chain, connect, flow, parents_of_tasks, task

from moose_lib.dmv2.workflow import Task, TaskConfig, Workflow
from moose_lib.errors import InvalidDefinition
from moose_lib.plan.build import compile_workflow


class Order(BaseModel):
    order_id: str
    total: float = 0


class Express(Order):
    fast: bool = True


class Stock(BaseModel):
    available: bool


class Paid(BaseModel):
    transaction: str


class Shipped(BaseModel):
    parcel: str


class Both(BaseModel):
    order: Order
    paid: Paid
    note: str = "none"


class Two(BaseModel):
    first: Paid
    second: Paid


class Many(BaseModel):
    payments: list[Paid]


class MaybeMany(BaseModel):
    order: Optional[Order]  # noqa: UP045  # users write it so
    payments: list[Paid] | None


class OrderId(BaseModel):
    order_id: str


def sources(workflow: Workflow) -> dict[str, str]:
    return {planned.name: str(planned.source) for planned in compile_workflow(workflow).tasks}


def fault(workflow: Workflow) -> tuple[str, str, str | None]:
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow(workflow)
    [found] = caught.value.faults
    assert found.workflow == "Flow"
    return found.code, found.message, found.hint


def joined(*parents: AnyTask, by: AnyTask, start: AnyTask) -> Workflow:
    start.config.on_complete = list(parents)
    for parent in parents:
        parent.config.on_complete = [by]
    return flow(start)


def test_the_order_graph_of_the_documentation() -> None:
    """`finalizeOrder` has two parents and gets the order, though neither of them returns one."""
    tasks = {
        "validate": task("validate", Order, Order),
        "inventory": task("inventory", Order, Stock),
        "payment": task("payment", Order, Paid),
        "shipping": task("shipping", Order, Shipped),
        "finalize": task("finalize", Order, OrderId),
    }
    connect(
        tasks,
        [
            ("validate", "inventory"),
            ("inventory", "payment"),
            ("inventory", "shipping"),
            ("payment", "finalize"),
            ("shipping", "finalize"),
        ],
    )

    assert sources(flow(tasks["validate"])) == {
        "validate": "input of the run",
        "inventory": "output of validate",
        "payment": "output of validate",
        "shipping": "output of validate",
        "finalize": "output of validate",
    }


def test_the_first_example_of_the_documentation() -> None:
    """`processData` takes the run's input though its parent returns something else."""
    workflow = chain(task("validateInput", Order, Stock), task("processData", Order, Paid))

    assert sources(workflow)["processData"] == "input of the run"


def test_a_task_without_input_is_fed_nothing() -> None:
    ignoring: AnyTask = Task[Order, None](name="b", config=TaskConfig(run=lambda: None))
    workflow = chain(task("a", None, Order), ignoring, task("c"))

    assert sources(workflow) == {"a": "nothing", "b": "nothing", "c": "nothing"}


def test_an_output_of_the_type_wins_over_the_run_input() -> None:
    assert sources(chain(task("a", Order, Order), task("b", Order)))["b"] == "output of a"


def test_a_subclass_is_that_type_and_a_base_class_is_not() -> None:
    assert sources(chain(task("a", Stock, Express), task("b", Order)))["b"] == "output of a"
    assert sources(chain(task("a", Express, None), task("b", Order)))["b"] == "input of the run"
    assert fault(chain(task("a", Stock, Order), task("b", None, Stock), task("c", Express)))[0] == "no-input"


def test_the_nearest_output_wins_even_over_the_direct_parent_of_another_type() -> None:
    workflow = chain(task("a", None, Order), task("b", None, Order), task("c", None, Paid), task("d", Order))

    assert sources(workflow)["d"] == "output of b"


@given(st.data(), parents_of_tasks())
def test_the_nearest_output_is_the_one_a_search_by_levels_finds(
    data: st.DataObject, after: dict[str, list[str]]
) -> None:
    """Oracle: go back edge by edge; the first level with an order decides."""
    giving = {name: data.draw(st.booleans()) for name in after}
    tasks = {name: task(name, None, Order if giving[name] else None) for name in after}
    last = list(after)[-1]
    tasks[last] = task(last, Order)
    connect(tasks, [(parent, name) for name, parents in after.items() for parent in parents])
    level, seen, candidates = {last}, {last}, set[str]()
    while level and not candidates:
        level = {parent for name in level for parent in after[name]} - seen
        seen |= level
        candidates = {name for name in level if giving[name]}

    if last == "t0":
        assert sources(flow(tasks["t0"])) == {"t0": "input of the run"}
    elif len(candidates) == 1:
        assert sources(flow(tasks["t0"]))[last] == f"output of {candidates.pop()}"
    elif candidates:
        assert fault(flow(tasks["t0"]))[0] == "ambiguous-input"
    else:
        assert fault(flow(tasks["t0"]))[0] == "no-input"


def test_two_equally_near_outputs_are_a_fault_with_candidates_and_fix() -> None:
    workflow = joined(task("a", None, Order), task("b", None, Order), by=task("c", Order), start=task("s"))

    assert fault(workflow) == (
        "ambiguous-input",
        "task 'c': its input Order could come from 'a', 'b', equally near",
        "set input_from to one of 'a', 'b', or take a model with a field named after each",
    )


def test_many_candidates_are_not_all_listed() -> None:
    parents = [task(f"p{number}", None, Order) for number in range(1500)]
    message = fault(joined(*parents, by=task("c", Order), start=task("s")))[1]

    assert message.endswith("could come from 'p0', 'p1', 'p2', 'p3', 'p4', 'p5' and 1,494 more, equally near")


def test_input_from_decides() -> None:
    first, second = task("a", None, Order), task("b", None, Order)
    assert sources(joined(first, second, by=task("c", Order, input_from=second), start=task("s")))["c"] == "output of b"

    start = task("s", Order, Order)
    assert sources(chain(start, task("b", Order, Order), task("c", Order, input_from=start)))["c"] == "output of s"
    assert sources(chain(task("s", Order, Order), task("c", Order, input_from="run")))["c"] == "input of the run"
    assert sources(flow(task("s", Order, input_from="run")))["s"] == "input of the run"


def test_input_from_may_name_an_output_that_has_all_fields() -> None:
    start = task("s", None, Order)

    assert sources(chain(start, task("b", None, Stock), task("c", OrderId, input_from=start)))["c"] == "output of s"


def test_a_wrong_input_from() -> None:
    stranger, later, silent = task("x", None, Order), task("d", None, Order), task("s")

    def told(told_by: object) -> str:
        return fault(chain(silent, task("b", None, Stock), task("c", Order, input_from=told_by), later))[1]

    assert told(stranger) == "task 'c': input_from is task 'x', which does not come before it"
    silent.config.on_complete = None
    assert told(later) == "task 'c': input_from is task 'd', which does not come before it"
    silent.config.on_complete = later.config.on_complete = None
    assert told(silent) == "task 'c': input_from is the output of 's', which is nothing"
    silent.config.on_complete = None
    assert told("run") == "task 'c': input_from is the run's input, which is nothing"


def test_an_input_from_of_the_wrong_type_says_what_does_not_fit() -> None:
    start = task("s", None, Stock)

    assert fault(chain(start, task("c", Order, input_from=start)))[:2] == (
        "bad-input-from",
        "task 'c': input_from is the output of 's', which does not fit Order: Stock has no field 'order_id'",
    )


def test_the_first_task_has_nothing_before_it() -> None:
    later = task("b", None, Order)
    message = fault(chain(task("a", Order, input_from=later), later))[1]

    assert message == "task 'a': input_from is task 'b', which does not come before it"


def test_an_input_is_assembled_from_outputs_and_the_run_input() -> None:
    workflow = chain(task("a", Order, Stock), task("pay", None, Paid), task("c", Both))

    assert sources(workflow)["c"] == "order: input of the run, paid: output of pay"


def test_a_field_of_a_type_that_ties_is_filled_by_the_task_of_its_name() -> None:
    first, second = task("first", None, Paid), task("Sec-ond", None, Paid)
    workflow = joined(first, second, by=task("c", Two), start=task("s"))

    assert sources(workflow)["c"] == "first: output of first, second: output of Sec-ond"
    far = chain(task("first", None, Paid), task("x", None, Paid), task("second", None, Paid), task("c", Two))
    assert sources(far)["c"] == "first: output of first, second: output of second"


def test_of_two_tasks_that_are_one_word_the_one_spelled_like_the_field_counts() -> None:
    first, again, second = task("fir_st", None, Paid), task("first", None, Paid), task("second", None, Paid)

    workflow = joined(first, again, second, by=task("c", Two), start=task("s"))
    assert sources(workflow)["c"] == "first: output of first, second: output of second"


def test_a_field_that_could_come_from_two_tasks_is_a_fault() -> None:
    workflow = joined(task("a", None, Paid), task("b", None, Paid), by=task("c", Both), start=task("s", Order))

    assert fault(workflow) == (
        "ambiguous-input",
        "task 'c': field 'paid' (Paid) of its input Both could come from 'a', 'b', equally near",
        "name the field after the task that is to fill it",
    )


def test_a_list_collects_the_outputs_of_all_direct_parents_in_declared_order() -> None:
    grand = task("grand", None, Paid)
    parents = [task("z", None, Paid), task("m", None, Stock), task("a", None, Paid), task("k", None, Paid)]
    workflow = joined(*parents, by=task("c", Many), start=grand)

    found = compile_workflow(workflow).task("c")
    assert str(found.source) == "payments: [output of z, output of a, output of k]"
    assert found.after == ("z", "m", "a", "k")
    assert [value.task for value in found.source.values] == ["z", "a", "k"]


def test_an_optional_field_without_default_is_filled_too() -> None:
    workflow = chain(task("a", Order, Paid), task("c", MaybeMany))

    assert sources(workflow)["c"] == "order: input of the run, payments: [output of a]"


def test_a_list_without_a_parent_that_gives_its_type_is_no_value() -> None:
    workflow = chain(task("a", None, Paid), task("b", None, Stock), task("c", Many))

    assert fault(workflow)[0] == "no-input"


def test_the_only_parents_output_is_read_as_the_input_if_it_has_all_fields() -> None:
    class Wanted(BaseModel):
        model_config = ConfigDict(extra="forbid")
        order_id: str = Field(alias="orderId")
        total: float | None
        comment: str = "none"

    assert sources(chain(task("a", None, Express), task("b", Wanted)))["b"] == "output of a"


def test_two_parents_are_not_read_structurally() -> None:
    workflow = joined(task("a", None, Order), task("b", None, Stock), by=task("c", OrderId), start=task("s"))

    assert fault(workflow)[0] == "no-input"


def test_a_field_that_cannot_be_decided_does_not_matter_if_the_input_is_not_assembled() -> None:
    """One field has two candidates, another none: then the parent that has both is the answer."""

    class Wanted(BaseModel):
        paid: Paid
        shipped: Shipped

    class Given(BaseModel):
        paid: Paid
        shipped: Shipped

    start, parent, last = task("s"), task("p", None, Given), task("c", Wanted)
    first, second = task("a", None, Paid), task("b", None, Paid)
    start.config.on_complete = [first, second]
    first.config.on_complete = second.config.on_complete = [parent]
    parent.config.on_complete = [last]

    assert sources(flow(start))["c"] == "output of p"


def test_no_value_says_what_there_is_and_what_is_missing() -> None:
    workflow = chain(task("a", Paid, Stock), task("b", Shipped, Stock))

    message = (
        "task 'b': nothing gives its input Shipped: before it 'a' gives Stock; the run's input is Paid; Stock has no"
        " field 'parcel'"
    )
    hint = "let a task before it return Shipped, or take a model whose fields are outputs of tasks before it"
    assert fault(workflow) == ("no-input", message, hint)


def test_no_value_in_a_large_graph_stays_readable() -> None:
    tasks = [task(f"t{number}") for number in range(3000)]
    message = fault(chain(*tasks, task("last", Order)))[1]

    assert len(message) < 300
    assert "'t2999' gives nothing, 't2998' gives nothing" in message
    assert "and 2,994 more; the run's input is nothing" in message


def test_root_models_are_taken_whole() -> None:
    """They have no fields to assemble, and their JSON is not an object."""

    class Payments(RootModel[list[Paid]]):
        pass

    class Same(RootModel[list[Paid]]):
        pass

    class Rooted(BaseModel):
        root: list[Paid]

    assert sources(chain(task("a", None, Payments), task("b", Payments)))["b"] == "output of a"
    assert sources(chain(task("a", None, Payments), task("b", Same)))["b"] == "output of a"
    assert fault(chain(task("a", None, Paid), task("b", Payments)))[0] == "no-input"
    assert fault(chain(task("a", None, Payments), task("b", Rooted)))[0] == "no-input"


def test_a_bare_list_is_a_field_like_others() -> None:
    class Given(BaseModel):
        items: List  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]  # noqa: UP006  # users write it so

    class Wanted(BaseModel):
        items: list  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]  # as above

    assert sources(chain(task("a", None, Given), task("b", Wanted)))["b"] == "output of a"
