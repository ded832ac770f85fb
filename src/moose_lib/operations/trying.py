"""One task, once, in this process: with the code of now, touching no run. Without a server, if the input is given.

The handler runs in the calling thread, so that debuggers work in it; its timeout is not kept.
"""

from __future__ import annotations

import asyncio
import bdb
import inspect
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from moose_lib import calling
from moose_lib.dmv2.deliveries import numbered_task
from moose_lib.dmv2.workflow import RunInfo, TaskContext
from moose_lib.errors import InputNotRecorded, InvalidInput
from moose_lib.logs.attribution import TaskLogger, current_run
from moose_lib.plan.feeding import missing_values, values_of
from moose_lib.plan.model import Source
from moose_lib.values import read_run_input

__all__ = ["TriedTask", "given_input", "recorded_input", "try_task"]

#: They end the trial, and are no outcome of it.
_ENDINGS = (KeyboardInterrupt, asyncio.CancelledError, bdb.BdbQuit)


@dataclass(frozen=True, kw_only=True)
class TriedTask:
    """How it went: the output as JSON, or what the handler raised; its traceback begins below our own frames."""

    output: bytes | None = None
    error: BaseException | None = None


def given_input(task: calling.AnyTask, data: bytes | None) -> BaseModel | None:
    """Read the input of `task` from JSON that a person wrote: None, or the defaults, if there is no data.

    Raises:
        InvalidInput: it does not fit the task's input model.
    """
    try:
        return read_run_input(task.input_type, data)
    except InvalidInput as error:
        raise InvalidInput(f"task {task.name!r}", error.model, error.faults) from None


def recorded_input(
    task: calling.AnyTask, source: Source, run_input: bytes | None, outputs: Mapping[str, bytes]
) -> BaseModel | None:
    """Read the input of `task` from the values of a run, put together as a worker does.

    Raises:
        InputNotRecorded: the run has not got that far, or the values are not on this machine.
        InvalidInput: they do not fit the task's input model of now.
    """
    if task.input_type is None:
        return None
    missing = missing_values(source, run_input, outputs)
    if missing or not source.values:
        what = ", ".join(map(str, missing)) or str(source)
        raise InputNotRecorded(f"the run has no input for task {task.name!r}: there is no {what}")
    return calling.decode_input(task, source, values_of(source, run_input, outputs))


def try_task(task: calling.AnyTask, given: BaseModel | None, run: RunInfo) -> TriedTask:
    """Call the handler as a worker would, and check what it returns.

    Raises:
        KeyboardInterrupt: the user has stopped it.
        bdb.BdbQuit: the user has left the debugger.
    """
    context = TaskContext[BaseModel | None](input=given, run=run, logger=TaskLogger(run))
    token = current_run.set(run)
    try:
        if task.signature.is_async:
            return asyncio.run(_called(task, context))
        return _call(task, context)
    finally:
        run.deliveries.end()
        current_run.reset(token)


def _call(task: calling.AnyTask, context: TaskContext[BaseModel | None]) -> TriedTask:
    try:
        value = calling.invoke(task, context)
        if not inspect.isawaitable(value):
            return TriedTask(output=calling.encode_output(task, value))
    except _ENDINGS:
        raise
    except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
        return TriedTask(error=error)
    return asyncio.run(_finished(task, context, value))


async def _finished(task: calling.AnyTask, context: TaskContext[BaseModel | None], value: object) -> TriedTask:
    asyncio.get_running_loop().set_task_factory(numbered_task)
    context.run.deliveries.begin("awaited")
    return await _awaited(task, value)


async def _called(task: calling.AnyTask, context: TaskContext[BaseModel | None]) -> TriedTask:
    asyncio.get_running_loop().set_task_factory(numbered_task)
    try:
        value = calling.invoke(task, context)
    except _ENDINGS:
        raise
    except BaseException as error:  # noqa: BLE001  # as above
        return TriedTask(error=error)
    return await _awaited(task, value)


async def _awaited(task: calling.AnyTask, value: object) -> TriedTask:
    try:
        returned = await value if inspect.isawaitable(value) else value
        return TriedTask(output=calling.encode_output(task, returned))
    except _ENDINGS:
        raise
    except BaseException as error:  # noqa: BLE001  # as above
        return TriedTask(error=error)
