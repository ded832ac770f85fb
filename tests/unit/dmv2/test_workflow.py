"""Declaring tasks and workflows: what is kept, what is registered, and which mistakes are told at once."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib import InvalidDefinition, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2 import _registry
from moose_lib.dmv2._registry import _workflows
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.errors import Fault


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    total: int


def charge(order: Order) -> Receipt:
    return Receipt(total=order.number)


def load() -> Receipt:
    return Receipt(total=0)


def store(receipt: Receipt) -> None: ...


def tick() -> None: ...


def stop(ctx: TaskContext[Order]) -> None: ...


def give_back(ctx: TaskContext[Order], amount: int) -> None: ...


def link(name: str, *children: Task[Any, Any]) -> Task[None, None]:
    """A task that only has a place in a graph."""
    return Task[None, None](name=name, config=TaskConfig(run=tick, on_complete=list(children)))


def flow(start: Task[Any, Any], name: str = "Flow") -> Workflow:
    return Workflow(name=name, config=WorkflowConfig(starting_task=start))


def faults(make: Any, *args: Any, **kwargs: Any) -> list[Fault]:  # Any: mistakes of all kinds
    """What is wrong with a declaration; its place is the line that makes it."""
    with pytest.raises(InvalidDefinition) as caught:
        make(*args, **kwargs)
    return list(caught.value.faults)


def told(make: Any, *args: Any, **kwargs: Any) -> list[str]:  # Any: as above
    return [fault.message for fault in faults(make, *args, **kwargs)]


def test_all_four_kinds_of_tasks() -> None:
    nothing = Task[None, None](name="a", config=TaskConfig(run=tick))
    source = Task[None, Receipt](name="b", config=TaskConfig(run=load))
    sink = Task[Receipt, None](name="c", config=TaskConfig(run=store))
    both = Task[Order, Receipt](name="d", config=TaskConfig(run=charge))

    types = [(it.input_type, it.output_type) for it in (nothing, source, sink, both)]
    assert types == [(None, None), (None, Receipt), (Receipt, None), (Order, Receipt)]
    assert [it.signature.kind for it in (nothing, source, sink, both)] == ["nothing", "nothing", "input", "input"]
    assert both.model_type is Order
    assert repr(both) == "Task[Order, Receipt]('d')"
    assert repr(nothing) == "Task[None, None]('a')"


def test_name_and_config_may_be_positional() -> None:
    made = Task[Order, Receipt]("charge", TaskConfig(charge, None, "30s", 2))

    assert isinstance(made, Task)
    assert (made.name, made.config.timeout, made.config.retries) == ("charge", "30s", 2)


def test_settings_are_kept_as_written() -> None:
    config = TaskConfig(run=charge, timeout="5m", retries=0, on_cancel=stop, input_from="run")
    made = Task[Order, Receipt](name="charge", config=config)
    workflow = Workflow(
        name="Orders", config=WorkflowConfig(starting_task=made, retries=0, timeout="1h", schedule="@daily")
    )

    assert made.config is config
    assert (config.timeout, config.retries, config.on_cancel, config.input_from) == ("5m", 0, stop, "run")
    assert (workflow.config.retries, workflow.config.timeout, workflow.config.schedule) == (0, "1h", "@daily")
    assert repr(workflow) == "Workflow('Orders')"


def test_a_declaration_knows_its_place() -> None:
    before = inspect.currentframe()
    assert before is not None
    line = before.f_lineno
    made = Task[Order, Receipt](name="charge", config=TaskConfig(run=charge))
    workflow = flow(made)

    assert made.location.file == __file__
    assert line < made.location.line <= line + 3
    assert workflow.location.file == __file__


def test_a_place_in_code_without_a_file_is_told_as_python_does() -> None:
    names: dict[str, Any] = {"Task": Task, "TaskConfig": TaskConfig, "tick": tick, "__name__": "cell"}
    exec(compile("\nmade = Task[None, None]('a', TaskConfig(tick))", "<cell 3>", "exec"), names)

    assert str(names["made"].location) == "<cell 3>:2"


def test_workflows_register_themselves() -> None:
    first, second = flow(link("a"), "First"), flow(link("a"), "Second")

    assert _workflows.get("First") is first
    assert _workflows["Second"] is second
    assert _registry.registered_workflows() is _workflows


def test_task_names_are_told_once_each_and_after_what_they_wait_for() -> None:
    """The order example of the documentation; the existing Moose tells finalizeOrder twice."""
    finalize = link("finalizeOrder")
    payment, shipping = link("processPayment", finalize), link("arrangeShipping", finalize)
    start = link("validateOrder", link("checkInventory", payment, shipping))

    assert flow(start).get_task_names() == [
        "validateOrder",
        "checkInventory",
        "processPayment",
        "arrangeShipping",
        "finalizeOrder",
    ]


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        ("", "a"),
        ("ab", "ab"),
        ("ab bc cd", "abcd"),
        ("ab ac ad", "abcd"),
        ("ab ac bd cd", "abcd"),
        ("ac ab cb", "acb"),
        ("ab ac ad be ce de", "abcde"),
        ("ab ad bc cd", "abcd"),
    ],
)
def test_the_order_of_tasks(edges: str, names: str) -> None:
    tasks = {name: link(name) for name in sorted(set(names))}
    for edge in edges.split():
        parent, child = edge[0], edge[1]
        tasks[parent].config.on_complete = [*(tasks[parent].config.on_complete or []), tasks[child]]

    assert "".join(flow(tasks["a"]).get_task_names()) == names


def test_children_may_be_set_after_the_task_and_after_the_workflow() -> None:
    a, b, c = link("a"), link("b"), link("c")
    a.config.on_complete = [b]
    workflow = flow(a)
    b.config.on_complete = [c]

    assert workflow.get_task_names() == ["a", "b", "c"]
    assert workflow.get_task("c") is c
    assert workflow.get_task("d") is None


def test_a_cycle_does_not_hang_whoever_looks_at_the_tasks() -> None:
    a, b = link("a"), link("b")
    a.config.on_complete, b.config.on_complete = [b, a], [a]

    assert flow(a).get_task_names() == ["a", "b"]


def test_a_wide_graph_of_diamonds_is_walked_once() -> None:
    last = link("last")
    for level in range(40):
        last = link(f"join{level}", link(f"left{level}", last), link(f"right{level}", last))

    assert len(flow(last).get_task_names()) == 121


def test_a_second_workflow_of_a_name_names_the_place_of_the_first() -> None:
    first = flow(link("a"), "Orders")
    [fault] = faults(lambda: Workflow("Orders", WorkflowConfig(link("b"))))

    assert fault.code == "duplicate-workflow"
    assert fault.message == f"workflow 'Orders': the name is taken by the workflow at {first.location}"
    assert fault.location is not None
    assert fault.location != first.location
    assert _workflows["Orders"] is first


def test_the_same_line_again_replaces_its_workflow() -> None:
    """A notebook cell or a module that is loaded again."""
    first, second = (flow(link("a"), "Orders") for _ in range(2))

    assert first is not second
    assert _workflows["Orders"] is second


def test_while_a_project_loads_one_line_may_not_make_two_workflows_of_a_name() -> None:
    with _registry.collect() as collected:
        first, second = (flow(link("a"), "Orders") for _ in range(2))

    assert [(fault.code, fault.message) for fault in collected.faults] == [
        ("duplicate-workflow", "workflow 'Orders': this line makes several workflows of this name")
    ]
    assert _workflows["Orders"] is first
    assert collected.workflows == [first, second]


def test_while_a_project_loads_mistakes_do_not_stop_the_code_that_follows() -> None:
    with _registry.collect() as collected:
        wrong: Any = Task[Order, Receipt](name="a", config=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
        wrong.config.on_complete = [link("b")]
        Workflow(name="Orders", config=WorkflowConfig(starting_task=wrong, timeout="soon"))
        assert _workflows["Orders"].get_task_names() == ["a", "b"]

    assert [fault.code for fault in collected.faults] == ["bad-config", "bad-timeout"]
    assert not _registry.is_collecting()


def test_outside_of_loading_a_mistake_is_raised_at_once_and_not_registered() -> None:
    with pytest.raises(InvalidDefinition, match="timeout '1 fortnight' is not a duration"):
        Workflow(name="Orders", config=WorkflowConfig(starting_task=link("a"), timeout="1 fortnight"))

    assert "Orders" not in _workflows
    with pytest.raises(ValueError, match="Input type <class 'int'> is not a Pydantic model or None"):
        Task[int, None](name="a", config=TaskConfig(run=tick))  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]  # on purpose


ANY_TASK: Any = Task  # Any: mistakes that type checkers would refuse
ANY_WORKFLOW: Any = Workflow  # Any: as above
ANY_CONFIG: Any = TaskConfig  # Any: as above
ANY_WORKFLOW_CONFIG: Any = WorkflowConfig  # Any: as above


@pytest.mark.parametrize("subscript", [None, Order])
def test_a_task_without_both_types(subscript: object) -> None:
    kind = ANY_TASK if subscript is None else ANY_TASK[subscript]
    [fault] = faults(kind, name="a", config=ANY_CONFIG(run=charge))

    assert (fault.code, fault.message) == ("untyped", "task 'a': the input and output types are missing")
    assert fault.hint == "write Task[In, Out](name=…)"


@pytest.mark.parametrize("wrong", [int, "Order", list[Order], Order | None, dict, Order(number=1)])
def test_a_type_that_is_not_a_model_is_one_fault(wrong: object) -> None:
    """The handler's annotations cannot contradict what is not known."""
    [of_input] = faults(ANY_TASK[wrong, Receipt], name="a", config=ANY_CONFIG(run=charge))
    [of_output] = faults(ANY_TASK[Order, wrong], name="a", config=ANY_CONFIG(run=charge))

    assert of_input.message == f"task 'a': Input type {wrong!r} is not a Pydantic model or None"
    assert of_output.message == f"task 'a': Output type {wrong!r} is not a Pydantic model or None"
    assert of_output.code == "not-a-model"
    assert of_output.hint == "declare a class that derives from pydantic.BaseModel"


def test_one_wrong_type_does_not_hide_that_the_handler_contradicts_the_other() -> None:
    assert told(ANY_TASK[int, Order], name="a", config=ANY_CONFIG(run=charge)) == [
        "task 'a': Input type <class 'int'> is not a Pydantic model or None",
        "task 'a': the handler returns Receipt, but the task's output is Order",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "the name is empty"),
        (None, "the name None is not a text"),
        (["a"], "the name ['a'] is not a text"),
        ("a/b", "the name has characters that ids and URLs do not take"),
        ("a#2", "the name has characters that ids and URLs do not take"),
        (" a", "the name has characters that ids and URLs do not take"),
        ("a\n", "the name has characters that ids and URLs do not take"),
        ("-a", "the name has characters that ids and URLs do not take"),
        ("a" * 201, "the name has 201 bytes, the limit is 200"),
        ("ü" * 101, "the name has 202 bytes, the limit is 200"),
    ],
)
def test_a_bad_name(name: Any, text: str) -> None:
    shown = name if isinstance(name, str) else ""

    assert told(ANY_TASK[None, None], name=name, config=TaskConfig(run=tick)) == [f"task {shown!r}: {text}"]
    assert told(Workflow, name=name, config=WorkflowConfig(starting_task=link("a"))) == [f"workflow {shown!r}: {text}"]


@pytest.mark.parametrize("name", ["a", "A1", "check inventory", "check-inventory.v2_x", "größe", "plan", "a" * 200])
def test_a_good_name(name: str) -> None:
    assert flow(link(name), name).name == name


def test_a_reserved_name() -> None:
    assert told(flow, link("moose"), "moose") == ["workflow 'moose': the name is reserved"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"timeout": "soon"}, "timeout 'soon' is not a duration: it does not begin with a number"),
        ({"timeout": 30}, "timeout 30 is not a duration: 30 of which unit?"),
        ({"retries": -1}, "retries -1 is not a whole number from 0"),
        ({"retries": 1.5}, "retries 1.5 is not a whole number from 0"),
        ({"retries": True}, "retries True is not a whole number from 0"),
        ({"retries": "3"}, "retries '3' is not a whole number from 0"),
        ({"retries": 10**10}, "retries 10000000000 is over 1,000,000,000"),
    ],
)
def test_a_bad_setting_of_task_or_workflow(settings: dict[str, Any], text: str) -> None:
    assert told(ANY_TASK[None, None], "a", ANY_CONFIG(run=tick, **settings)) == [f"task 'a': {text}"]
    assert told(ANY_WORKFLOW, "W", ANY_WORKFLOW_CONFIG(link("a"), **settings)) == [f"workflow 'W': {text}"]


def test_a_bad_schedule() -> None:
    [fault] = faults(ANY_WORKFLOW, "W", ANY_WORKFLOW_CONFIG(link("a"), schedule="61 * * * *"))

    assert fault.code == "bad-schedule"
    assert fault.message == "workflow 'W': schedule '61 * * * *' is not a schedule: '61' is no minute from 0 to 59"
    assert fault.workflow == "W"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"run": 3}, "handler 3 is not a function"),
        ({"on_cancel": "stop"}, "on_cancel 'stop' is not a function"),
        (
            {"on_cancel": tick},
            "on_cancel tick cannot be called with the context alone: too many positional arguments",
        ),
        (
            {"on_cancel": give_back},
            "on_cancel give_back cannot be called with the context alone: missing a required argument: 'amount'",
        ),
        ({"on_complete": [None]}, "on_complete holds None, which is not a task"),
        ({"on_complete": ["b"]}, "on_complete holds 'b', which is not a task"),
        ({"on_complete": "b"}, "on_complete is 'b', which is not a list"),
        ({"input_from": "store"}, "input_from is 'store'"),
        pytest.param({"input_from": tick}, f"input_from is {tick!r}", id="input_from a function"),
    ],
)
def test_a_bad_part_of_a_config(settings: dict[str, Any], text: str) -> None:
    assert told(ANY_TASK[None, None], "a", ANY_CONFIG(**{"run": tick} | settings)) == [f"task 'a': {text}"]


def test_a_forgotten_list_around_a_child() -> None:
    [fault] = faults(ANY_TASK[None, None], "a", ANY_CONFIG(run=tick, on_complete=link("b")))

    assert fault.message == "task 'a': on_complete is Task[None, None]('b'), which is not a list"
    assert fault.hint == "write on_complete=[…]"


def test_a_bad_config_or_start() -> None:
    assert told(ANY_TASK[None, None], "a", tick) == [f"task 'a': config is {tick!r}, which is not a TaskConfig"]
    assert told(ANY_WORKFLOW, "W", link("a")) == [
        "workflow 'W': config is Task[None, None]('a'), which is not a WorkflowConfig"
    ]
    assert told(ANY_WORKFLOW, "W", ANY_WORKFLOW_CONFIG(None)) == [
        "workflow 'W': starting_task is None, which is not a task"
    ]


def test_all_mistakes_of_one_declaration_are_told_together() -> None:
    config = ANY_CONFIG(run=charge, timeout="soon", retries=-1, on_complete=[None], on_cancel=3)

    assert [fault.code for fault in faults(ANY_TASK[Receipt, Receipt], "a/b", config)] == [
        "bad-name",
        "bad-handler",
        "contradiction",
        "bad-timeout",
        "bad-retries",
        "not-a-task",
    ]


def test_a_contradiction_says_what_to_change() -> None:
    [fault] = faults(ANY_TASK[Receipt, Receipt], "a", ANY_CONFIG(run=charge))

    assert fault.message == "task 'a': the handler takes Order, but the task's input is Receipt"
    assert fault.hint == "change charge or Task[…]"
    assert fault.location is not None
    assert fault.location.file == __file__


def test_a_context_has_a_state_of_its_own() -> None:
    run = RunInfo(workflow="W", workflow_id="w", run_id="r", task="a", attempt=1)
    logger = logging.LoggerAdapter(logging.getLogger(__name__))
    first, second = (TaskContext(input=Order(number=1), run=run, logger=logger) for _ in range(2))
    first.state["a"] = 1

    assert second.state == {}
