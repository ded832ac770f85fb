"""The one place that puts a task's input together, calls a user's function and takes its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from pydantic import BaseModel

from moose_lib.dmv2.retry_later import RetryLater
from moose_lib.dmv2.workflow import Task, TaskContext
from moose_lib.durations import format_duration
from moose_lib.errors import (
    InvalidInput,
    InvalidOutput,
    NonRetryableError,
    QueueTimedOut,
    TotalTimedOut,
    ValueTooLarge,
)
from moose_lib.plan.fitting import needs
from moose_lib.plan.model import FieldSource, Source
from moose_lib.plan.result import json_list, json_object
from moose_lib.plan.retrying import Limits, delay_after
from moose_lib.values import read_value, reread_run_input, write_output, write_value

_OUR_CODE: Final = str(Path(__file__).resolve().parent)

AnyTask = Task[Any, Any]  # Any: the caller holds tasks of all models


def decode_input(task: AnyTask, source: Source, values: Sequence[bytes]) -> BaseModel | None:
    """The input of `task` from the JSON of the values that `source` names, in its order.

    Raises:
        InvalidInput: the values do not make a valid input.
    """
    if task.input_type is None or source.kind == "nothing":
        return None
    if source.kind == "run":
        return _from_run(task, task.input_type, values[0])
    data = _assembled(task, source, values) if source.kind == "assembled" else values[0]
    return read_value(task.name, task.input_type, data)


def invoke(task: AnyTask, context: TaskContext[Any]) -> object:  # Any: the input model is the task's own
    """Call the handler, where it is to run; what it returns may have to be awaited, also if it is a `def`."""
    context.run.deliveries.begin()
    run = cast("Callable[..., object]", task.config.run)  # the union's members differ in what they take
    match task.signature.kind:
        case "nothing":
            return run()
        case "input":
            return run(context.input)
        case "context":
            return run(context)


def invoke_on_cancel(task: AnyTask, context: TaskContext[Any]) -> object:  # Any: as above
    """Call `on_cancel` with the context of the attempt, if there is one; the result may have to be awaited."""
    context.run.deliveries.begin("on_cancel")
    return None if task.config.on_cancel is None else task.config.on_cancel(context)


def users_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the user's first frame on; `None` if no frame is theirs."""
    kept = error.__traceback__
    while kept is not None and kept.tb_frame.f_code.co_filename.startswith(_OUR_CODE):
        kept = kept.tb_next
    return kept


def log_failed_on_cancel(context: TaskContext[Any], error: BaseException) -> None:  # Any: as above
    """Say in the task's log that its `on_cancel` raised, which changes nothing else."""
    context.logger.error("on_cancel failed", exc_info=(type(error), error, users_frames(error)))


def encode_output(task: AnyTask, value: object) -> bytes:
    """JSON of what the handler returned; raises InvalidOutput if it is not what the task declares."""
    return write_output(task.name, task.output_type, value)


NoRetryFor = Sequence[type[BaseException]]


def is_retryable(error: BaseException, no_retry_for: NoRetryFor = ()) -> bool:
    """Whether another attempt may help: not after bad input, bad output, or where the user says so."""
    never = (InvalidInput, InvalidOutput, NonRetryableError, ValueTooLarge, *no_retry_for)
    return not isinstance(error, never)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Where a task stands when an attempt has failed: the attempts so far, and the time since it was first scheduled.

    `seed` is the same for a task of a run and no other.
    """

    attempts: int
    elapsed: timedelta
    seed: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What follows a failed attempt: the next one after `delay`, or none (`None`).

    `error` is what is told about it. `is_postponed`: the task asked for it, and the attempt does not count.
    `is_retryable`: another start of the run may help.
    """

    error: BaseException
    delay: timedelta | None
    is_retryable: bool = True
    is_postponed: bool = False


def judge(error: BaseException, limits: Limits, tried: Tried, no_retry_for: NoRetryFor = ()) -> Verdict:
    """Whether a task whose attempt ended with `error` is tried again, and when."""
    if isinstance(error, TotalTimedOut | QueueTimedOut):
        return Verdict(error=error, delay=None)
    if not is_retryable(error, no_retry_for):
        return Verdict(error=error, delay=None, is_retryable=False)
    is_postponed = isinstance(error, RetryLater)
    if tried.attempts > limits.retries and not is_postponed:
        return Verdict(error=error, delay=None)
    if isinstance(error, RetryLater):
        delay = error.delay
    else:
        delay = delay_after(limits.retrying, tried.attempts, seed=tried.seed)
    total = limits.total_timeout
    if total is not None and tried.elapsed + delay >= total:
        late = TotalTimedOut(format_duration(total), attempts=tried.attempts, due=format_duration(delay), last=error)
        return Verdict(error=late, delay=None)
    return Verdict(error=error, delay=delay, is_postponed=is_postponed)


def _from_run(task: AnyTask, model: type[BaseModel], data: bytes) -> BaseModel | None:
    try:
        return reread_run_input(model, data)
    except InvalidInput as error:
        raise InvalidInput(f"task {task.name!r}", error.model, error.faults) from None


def _assembled(task: AnyTask, source: Source, values: Sequence[bytes]) -> bytes:
    members: dict[str, bytes] = {}
    position = 0
    for field in source.fields:
        taken = tuple(values[position : position + len(field.values)])
        position += len(field.values)
        members[field.field] = json_list(taken) if field.is_list else _member(task, field, taken[0])
    return json_object(members)


def _member(task: AnyTask, field: FieldSource, value: bytes) -> bytes:
    """The run's input is written as people write it, and has to become as values between tasks are."""
    wanted = {} if task.input_type is None else {need.field: need.model for need in needs(task.input_type) or ()}
    if field.values[0].task is not None or field.field not in wanted:
        return value
    given = _from_run(task, wanted[field.field], value)
    return value if given is None else write_value(wanted[field.field], given)
