"""From declared workflows to plans, or to all faults together: each once, with its place."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel
from tests.unit.plan.graphs import AnyTask, chain, connect, flow, parents_of_tasks, task

from moose_lib.dmv2 import _registry
from moose_lib.dmv2.workflow import Task, TaskConfig, Workflow
from moose_lib.errors import Fault, InvalidDefinition
from moose_lib.plan.build import compile_workflow, compile_workflows, try_compile


class Order(BaseModel):
    order_id: str


class Paid(BaseModel):
    transaction: str


class Payments(BaseModel):
    payments: list[Paid]


def faults(*workflows: Workflow) -> list[Fault]:
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflows(workflows)
    return list(caught.value.faults)


def told(*workflows: Workflow) -> list[str]:
    return [fault.message for fault in faults(*workflows)]


def test_settings_and_their_defaults() -> None:
    workflow = chain(
        task("a", Order, Paid),
        task("b", Paid, timeout="30s", retries=0),
        task("c", timeout="never", retries=7),
    )
    workflow.config.timeout, workflow.config.retries = "1h30m", 2
    plan = compile_workflow(workflow)

    assert [(it.name, it.after, it.timeout, it.retries, it.input_type, it.output_type) for it in plan.tasks] == [
        ("a", (), timedelta(hours=1), 3, "Order", "Paid"),
        ("b", ("a",), timedelta(seconds=30), 0, "Paid", None),
        ("c", ("b",), None, 7, None, None),
    ]
    assert (plan.workflow, plan.start, plan.timeout, plan.retries) == ("Flow", "a", timedelta(minutes=90), 2)


def test_a_workflow_without_settings_has_no_limit_and_starts_once() -> None:
    plan = compile_workflow(flow(task("a")))

    assert (plan.timeout, plan.retries, plan.schedule) == (None, 0, None)


@given(parents_of_tasks())
def test_a_plan_has_the_edges_of_the_declaration(after: dict[str, list[str]]) -> None:
    tasks = {name: task(name) for name in after}
    connect(tasks, [(parent, name) for name, parents in after.items() for parent in parents])
    _registry._workflows.clear()
    plan = compile_workflow(flow(tasks["t0"]))

    assert {it.name: sorted(it.after) for it in plan.tasks} == {
        name: sorted(parents) for name, parents in after.items()
    }
    assert compile_workflow(flow(tasks["t0"])).hash == plan.hash


def test_a_child_that_is_listed_twice_is_one_child() -> None:
    child = task("b")
    plan = compile_workflow(flow(task("a", on_complete=[child, child])))

    assert plan.task("b").after == ("a",)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cycle_is_shown_as_a_path(length: int) -> None:
    tasks = [task(name) for name in "abcde"[:length]]
    workflow = chain(task("start"), *tasks, tasks[0])
    [fault] = faults(workflow)

    path = " → ".join([*"abcde"[:length], "a"])
    assert fault.code == "cycle"
    assert fault.message == f"workflow 'Flow' has a cycle: {path}"
    assert fault.hint == f"take 'a' out of on_complete of {tasks[-1].name!r}"
    assert fault.location == tasks[-1].location


def test_every_cycle_is_told_once_though_two_workflows_have_it() -> None:
    tasks = {name: task(name) for name in "abcdx"}
    connect(tasks, [("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c"), ("x", "d")])

    assert told(flow(tasks["a"]), flow(tasks["x"], "Other")) == [
        "workflow 'Flow' has a cycle: a → b → a",
        "workflow 'Flow' has a cycle: c → d → c",
    ]


def test_a_diamond_is_no_cycle() -> None:
    tasks = {name: task(name) for name in "abcd"}
    connect(tasks, [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])

    assert compile_workflow(flow(tasks["a"])).task("d").after == ("b", "c")


def test_two_tasks_with_one_name() -> None:
    first = task("same")
    second = task("same")
    [fault] = faults(chain(task("a"), first, second))

    assert fault.code == "duplicate-task"
    assert fault.message.startswith("workflow 'Flow' has two tasks named 'same'; the other one is at ")
    assert fault.location is not None
    assert fault.workflow == "Flow"


def test_two_workflows_may_have_tasks_of_one_name_and_tasks_in_common() -> None:
    shared = task("shared")

    plans = compile_workflows([flow(task("a", on_complete=[shared])), flow(task("a", on_complete=[shared]), "Other")])
    assert [plan.task("shared").after for plan in plans.values()] == [("a",), ("a",)]


def test_a_mistake_in_a_shared_task_is_told_once() -> None:
    shared = task("shared", Paid)

    assert len(told(flow(task("a", on_complete=[shared])), flow(task("a", on_complete=[shared]), "Other"))) == 1
    one, other = task("a", None, Order, on_complete=[shared]), task("b", on_complete=[shared])
    assert len(told(flow(one, "One"), flow(other, "Two"))) == 2, "these two have to be mended in two places"


def test_what_was_changed_after_the_declaration_is_checked_again() -> None:
    made = task("a")
    workflow = flow(made)
    wrong: Any = made.config  # Any: mistakes
    wrong.timeout, wrong.retries, wrong.on_complete = "soon", -1, "b"
    workflow.config.schedule = "sometimes"

    assert [fault.code for fault in faults(workflow)] == ["bad-schedule", "bad-timeout", "bad-retries", "not-a-task"]


def declared(model: Any, result: Any, name: str, *children: AnyTask) -> AnyTask:  # Any: also what is not a model
    subscripted: Any = Task  # Any: as above
    made: AnyTask = subscripted[model, result](name=name, config=TaskConfig(run=print, on_complete=list(children)))
    return made


def test_a_type_that_is_not_a_model_is_one_fault_and_not_one_for_each_task_behind_it() -> None:
    with _registry.collect() as collected:
        last = task("last", Paid, None)
        workflow = flow(task("start", on_complete=[declared(None, int, "wrong", task("x", on_complete=[last]))]))
        starting = flow(declared(int, None, "begin", task("next", Order)), "Other")

    assert len(collected.faults) == 2
    assert try_compile([workflow, starting]) == ({}, [])


def test_a_fault_does_not_hide_one_elsewhere_in_the_graph() -> None:
    """A cycle, a duplicate and a wrong type in one workflow, and still the task that lacks a value beside them."""
    with _registry.collect() as collected:
        wrong = declared(None, "Paid", "wrong", task("behind it", Paid))
        first, second = task("loop one"), task("loop two", Paid)
        first.config.on_complete, second.config.on_complete = [second], [first]
        alone = task("alone", Paid)
        children = [wrong, first, task("twin"), task("twin", on_complete=[task("after twin", Paid)]), alone]
        workflow = flow(task("start", None, Order, on_complete=children))
    _, found = try_compile([workflow])

    assert [fault.code for fault in collected.faults] == ["not-a-model"]
    assert [(fault.code, fault.task) for fault in found] == [
        ("duplicate-task", "twin"),
        ("cycle", "loop two"),
        ("no-input", "alone"),
    ]


def test_a_wrong_input_type_in_the_middle_hides_nothing_behind_it() -> None:
    with _registry.collect():
        workflow = flow(task("start", on_complete=[declared(int, Order, "middle", task("last", Paid))]))

    assert [(fault.code, fault.task) for fault in faults(workflow)] == [("no-input", "last")]


def test_faults_of_all_workflows_are_told_together() -> None:
    assert [
        (fault.workflow, fault.task)
        for fault in faults(
            chain(task("a"), task("b", Paid)), flow(task("c")), flow(task("d", on_complete=[task("e", Order)]), "Third")
        )
    ] == [("Flow", "b"), ("Third", "e")]


def test_a_model_that_names_an_unknown_type_is_a_fault() -> None:
    class Incomplete(BaseModel):
        later: Unknown  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable, reportUnknownVariableType]  # noqa: F821  # on purpose

    [fault] = faults(chain(task("a", Incomplete), task("b", Incomplete)))[:1]

    assert fault.code == "not-a-model"
    assert fault.message.startswith("task 'a': model Incomplete is not complete: ")
    assert "Unknown" in fault.message


def test_a_workflow_without_a_start_is_one_fault() -> None:
    with _registry.collect() as collected:
        wrong: Any = None  # Any: on purpose
        workflow = flow(wrong)

    assert [fault.code for fault in collected.faults] == ["no-starting-task"]
    assert [fault.code for fault in faults(workflow)] == ["no-starting-task"]


def test_a_chain_of_5000_tasks() -> None:
    """Each task takes the run's input, which is the longest way back."""
    plan = compile_workflow(chain(*(task(f"t{number}", Order, Paid) for number in range(5000))))

    assert {str(it.source) for it in plan.tasks} == {"input of the run"}
    assert plan.last_tasks == ("t4999",)


def test_a_chain_of_5000_tasks_with_models_of_their_own() -> None:
    models = [type(f"Model{number}", (BaseModel,), {}) for number in range(1000)]
    tasks: list[Any] = [
        task(f"t{number}", model, result) for number, (model, result) in enumerate(itertools.pairwise(models))
    ]
    plan = compile_workflow(chain(*tasks))

    assert str(plan.task("t998").source) == "output of t997"


def test_a_cycle_over_5000_tasks() -> None:
    tasks = [task(f"t{number}") for number in range(5000)]

    assert told(chain(*tasks, tasks[0]))[0].endswith("t4998 → t4999 → t0")


def test_a_join_of_2000_tasks() -> None:
    end = task("end", Payments)
    middle = [task(f"t{number}", Order, Paid, on_complete=[end]) for number in range(2000)]
    plan = compile_workflow(flow(task("start", Order, on_complete=middle)))

    assert len(plan.task("end").source.values) == 2000
    assert plan.task("end").after == tuple(it.name for it in middle)


def test_a_chain_in_which_each_task_names_the_first_as_its_source() -> None:
    start = task("start", None, Order)
    plan = compile_workflow(chain(start, *(task(f"t{n}", Order, Order, input_from=start) for n in range(2000))))

    assert {str(it.source) for it in plan.tasks} == {"nothing", "output of start"}
