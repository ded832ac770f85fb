"""Stand-ins for handlers: a given output, a function, an exception, or "fail the first two attempts"."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel
from typing_extensions import TypeIs

from moose_lib import calling
from moose_lib.dmv2.signature import Signature, read_signature
from moose_lib.dmv2.workflow import Task, TaskContext, Workflow
from moose_lib.errors import InjectedFailure
from moose_lib.testing.records import task_not_found

AnyTask: TypeAlias = Task[Any, Any]  # Any: tasks have models of their own

#: An exception, or its class, as `raise` takes it.
Raisable: TypeAlias = BaseException | type[BaseException]

#: What stands in for a handler: its output, a function called like a handler, or what it raises.
Fake: TypeAlias = BaseModel | Callable[..., object] | Raisable | None

#: The first attempts fail: how many, or with what.
Failures: TypeAlias = int | Sequence[Raisable]


class Cast:
    """The tasks of a workflow as a run plays them: real handlers, or their stand-ins.

    Raises:
        TaskNotFound: a fake or a failure is for a task that the workflow does not have.
        InvalidOutput: a fake output is not what its task declares.
    """

    def __init__(self, workflow: Workflow, fakes: Mapping[str, Fake], fail: Mapping[str, Failures]) -> None:
        tasks: dict[str, AnyTask] = {task.name: task for task in (*workflow.tasks(), *workflow.hooks().values())}
        for name in (*fakes, *fail):
            if name not in tasks:
                raise task_not_found(workflow.name, name, tasks)
        self._tasks = tasks | {name: _faked(tasks[name], fake) for name, fake in fakes.items()}
        self._failures = {name: tuple(_failures(name, failures)) for name, failures in fail.items()}

    def task(self, name: str) -> AnyTask:
        """The task to call under this name."""
        return self._tasks[name]

    def injected(self, name: str, call: int) -> BaseException | None:
        """What the call of this number (counted from 1) fails with before its handler is called."""
        failures = self._failures.get(name, ())
        return _raisable(failures[call - 1]) if call <= len(failures) else None


def _faked(task: AnyTask, fake: Fake) -> AnyTask:
    run = _as_handler(task, fake)
    faked = copy.copy(task)
    faked.config = dataclasses.replace(task.config, run=run)
    faked.signature = _signature(task, run)
    return faked


def _signature(task: AnyTask, run: Callable[..., object]) -> Signature:
    if not _takes_anything(run):
        return read_signature(run, TaskContext)
    return Signature(
        kind="nothing" if task.input_type is None else "input",
        is_async=inspect.iscoroutinefunction(run),
        input_annotation=inspect.Parameter.empty,
        output_annotation=inspect.Parameter.empty,
    )


def _as_handler(task: AnyTask, fake: Fake) -> Callable[..., object]:
    if _is_raisable(fake):
        return _raising(fake)
    if fake is None or isinstance(fake, BaseModel) or not callable(fake):
        calling.encode_output(task, fake)  # a wrong fake is the test's mistake: say so before anything runs
        return _returning(fake)
    return fake


def _is_raisable(fake: Fake) -> TypeIs[Raisable]:
    return isinstance(fake, BaseException) or (isinstance(fake, type) and issubclass(fake, BaseException))


def _returning(output: object) -> Callable[[], object]:
    async def give() -> object:  # async, so that it needs no thread and no real time
        return output

    return give


def _raising(error: Raisable) -> Callable[[], object]:
    async def give_up() -> object:
        raise _raisable(error)

    return give_up


def _takes_anything(run: Callable[..., object]) -> bool:
    """`*args`, as mocks have: they would like to see the input."""
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in inspect.signature(run).parameters.values())


def _failures(name: str, failures: Failures) -> Iterable[Raisable]:
    if not isinstance(failures, int):
        return failures
    if failures < 0:
        raise ValueError(f"fail={{{name!r}: {failures}}}: attempts that fail cannot be fewer than none")
    return (InjectedFailure(f"attempt {number} of task {name!r} was told to fail") for number in range(1, failures + 1))


def _raisable(error: Raisable) -> BaseException:
    """Fresh each time, as an exception that is raised again would add to its old traceback."""
    return error() if isinstance(error, type) else error.with_traceback(None)
