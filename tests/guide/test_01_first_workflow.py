"""A workflow is a graph of tasks, and a task is a plain Python function with typed input and output."""

from __future__ import annotations

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import run_local


class Visit(BaseModel):
    url: str
    user: str


class CleanVisit(BaseModel):
    url: str
    user: str


class Greeting(BaseModel):
    text: str


def clean(visit: Visit) -> CleanVisit:
    return CleanVisit(url=visit.url.strip().lower(), user=visit.user.strip())


async def greet(visit: CleanVisit) -> Greeting:
    return Greeting(text=f"Hello {visit.user}, welcome to {visit.url}")


greet_task = Task[CleanVisit, Greeting](name="greet", config=TaskConfig(run=greet))
clean_task = Task[Visit, CleanVisit](name="clean", config=TaskConfig(run=clean, on_complete=[greet_task]))
welcome = Workflow(name="GuideWelcome", config=WorkflowConfig(starting_task=clean_task))


def test_the_output_of_a_task_is_the_input_of_the_next_one() -> None:
    """`on_complete` names the tasks that start when a task has completed; they receive its output."""
    run = run_local(welcome, Visit(url=" Example.COM ", user="Ada "))

    assert run.executed == ("clean", "greet")
    assert run.task("clean").output == CleanVisit(url="example.com", user="Ada")


def test_the_result_of_a_run_is_the_output_of_its_last_task() -> None:
    """What the last task returns is what `moose-cli workflow result` prints."""
    run = run_local(welcome, Visit(url="example.com", user="Ada"))

    assert run.result == Greeting(text="Hello Ada, welcome to example.com")


def test_handlers_may_be_sync_or_async() -> None:
    """A handler is a `def` or an `async def`: a workflow mixes them freely."""
    assert welcome.get_task_names() == ["clean", "greet"]
