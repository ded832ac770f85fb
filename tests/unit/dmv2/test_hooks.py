"""Which tasks can be hooks of a workflow, and what is said about the others."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib import InvalidDefinition, RunOutcome, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2.outcome import OutcomeError
from moose_lib.plan.build import compile_workflow
from moose_lib.plan.model import Source


class Order(BaseModel):
    number: int = 1


def charge(order: Order) -> None: ...


def tell(outcome: RunOutcome) -> None: ...


def tell_in_context(context: TaskContext[RunOutcome]) -> None: ...


def ring() -> None: ...


def task(name: str = "charge", **settings: Any) -> Task[Order, None]:  # Any: a task's settings
    return Task[Order, None](name=name, config=TaskConfig(run=charge, **settings))


def hook(name: str = "tell", **settings: Any) -> Task[RunOutcome, None]:  # Any: as above
    return Task[RunOutcome, None](name=name, config=TaskConfig(run=tell, **settings))


def declared(**settings: Any) -> Workflow:  # Any: mistakes of all kinds
    given: dict[str, Any] = {"starting_task": task(), **settings}  # Any: as above
    return Workflow(name="Orders", config=WorkflowConfig(**given))


def told(**settings: Any) -> list[str]:  # Any: as above
    with pytest.raises(InvalidDefinition) as caught:
        declared(**settings)
    assert {fault.location.file for fault in caught.value.faults if fault.location} == {__file__}
    return [f"{fault.message} ({fault.hint})" for fault in caught.value.faults]


def test_a_hook_gets_the_outcome_of_the_run() -> None:
    plan = compile_workflow(declared(on_success=hook("cheer"), on_failure=hook("tell", retries=7)))

    assert plan.on_success is not None
    assert plan.on_failure is not None
    assert (plan.on_success.name, plan.on_success.source) == ("cheer", Source(kind="outcome"))
    assert (plan.on_failure.name, plan.on_failure.retries) == ("tell", 7)
    assert str(plan.on_failure.source) == "outcome of the run"
    assert [task.name for task in plan.tasks] == ["charge"]


def test_a_hook_may_take_the_context_or_nothing() -> None:
    context = Task[RunOutcome, None](name="tell", config=TaskConfig(run=tell_in_context))
    nothing = Task[None, None](name="ring", config=TaskConfig(run=ring))
    ignores = Task[RunOutcome, None](name="ignores", config=TaskConfig(run=ring))

    def sources(**hooks: Any) -> list[str]:  # Any: hooks by their words
        plan = compile_workflow(declared(**hooks))
        return [hook.source.kind for hook in (plan.on_success, plan.on_failure) if hook is not None]

    assert sources(on_success=context, on_failure=nothing) == ["outcome", "nothing"]
    assert sources(on_failure=ignores) == ["nothing"]


def test_one_task_may_be_both_hooks_and_of_several_workflows() -> None:
    both = hook()
    plan = compile_workflow(declared(on_success=both, on_failure=both))
    assert plan.on_success == plan.on_failure


def test_a_hook_is_never_parked() -> None:
    plan = compile_workflow(declared(on_task_failure="park", on_failure=hook()))
    assert plan.task("charge").on_failure == "park"
    assert plan.on_failure is not None
    assert plan.on_failure.on_failure == "fail"


def test_a_workflow_without_hooks_plans_none() -> None:
    plan = compile_workflow(declared())
    assert (plan.on_success, plan.on_failure) == (None, None)


_TASK = task()
_OTHER = task("other")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"on_failure": tell},
            (
                "on_failure is the function tell, which is not a task "
                '(make it a task: Task[RunOutcome, None](name="tell", config=TaskConfig(run=tell)))'
            ),
        ),
        ({"on_success": "tell"}, "on_success is 'tell', which is not a task (None)"),
        (
            {"on_failure": _OTHER},
            (
                "on_failure is task 'other', which takes Order; a hook takes a RunOutcome or nothing "
                '(write Task[RunOutcome, None](name="other", …))'
            ),
        ),
        (
            {"on_success": hook(on_complete=[_OTHER])},
            "on_success is task 'tell', which has on_complete; nothing follows a hook (do it in the hook itself)",
        ),
        (
            {"on_success": hook(input_from="run")},
            "on_success is task 'tell', which has input_from; a hook gets the run's outcome (take input_from out)",
        ),
        (
            {"on_failure": hook(on_failure="park")},
            (
                """on_failure is task 'tell', which has on_failure="park"; the run is over, and nobody waits for it """
                "(take on_failure out)"
            ),
        ),
        (
            {"on_failure": hook("charge")},
            "on_failure is task 'charge', which has the name of a task of the workflow (rename one of them)",
        ),
        (
            {"on_success": hook(), "on_failure": hook()},
            "on_success and on_failure are two tasks named 'tell' (rename one of them)",
        ),
    ],
)
def test_what_cannot_be_a_hook(settings: dict[str, Any], text: str) -> None:
    assert told(**settings) == [f"workflow 'Orders': {text}"]


def test_a_task_of_the_graph_is_no_hook() -> None:
    start = Task[None, None](name="ring", config=TaskConfig(run=ring))
    assert told(starting_task=start, on_success=start) == [
        (
            "workflow 'Orders': on_success is task 'ring', which is a task of the workflow too "
            "(make a task of its own that runs after the run)"
        )
    ]


def test_the_settings_of_a_hook_are_checked_with_the_others() -> None:
    """They may have changed since it was declared."""
    late = hook()
    workflow = declared(on_failure=late)
    late.config.retry_jitter = 2

    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow(workflow)
    assert [fault.message for fault in caught.value.faults] == [
        "task 'tell': retry_jitter 2 is not a number from 0 to 1"
    ]


def test_an_error_of_an_outcome_reads_as_python_writes_it() -> None:
    error = OutcomeError(task="charge", class_name="bank.Declined", message="no funds")
    assert (str(error), str(error.model_copy(update={"message": ""}))) == ("Declined: no funds", "Declined")
