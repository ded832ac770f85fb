"""Where a function, or the result of calling one, stands in the place of a task or handler."""

from __future__ import annotations

from typing import Any

import pytest

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.errors import Fault, InvalidDefinition

# Any: what these tests pass is wrong on purpose
ANY_TASK: Any = Task
ANY_CONFIG: Any = TaskConfig
ANY_WORKFLOW_CONFIG: Any = WorkflowConfig


def tick() -> None: ...


def faults(make: Any, *args: Any) -> list[Fault]:  # Any: as above
    with pytest.raises(InvalidDefinition) as caught:
        make(*args)
    return list(caught.value.faults)


def test_a_function_in_the_place_of_a_task() -> None:
    [child] = faults(ANY_TASK[None, None], "a", ANY_CONFIG(run=tick, on_complete=[tick]))
    [start] = faults(Workflow, "W", ANY_WORKFLOW_CONFIG(tick))

    assert child.message == "task 'a': on_complete holds the function tick, which is not a task"
    assert start.message == "workflow 'W': starting_task is the function tick, which is not a task"
    assert child.hint == start.hint == 'make it a task: Task[In, Out](name="tick", config=TaskConfig(run=tick))'


def test_a_handler_that_was_called() -> None:
    """`run=charge(order)` instead of `run=charge`; the forgotten coroutine gives no warning of its own."""

    async def charge() -> None: ...

    [fault] = faults(ANY_TASK[None, None], "a", ANY_CONFIG(run=charge()))

    assert fault.message == "task 'a': run is the result of calling charge"
    assert fault.hint == "write run=charge"
