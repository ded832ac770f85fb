"""What a worker does when Temporal hands it a task, or asks it for the plan of a run that came without one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.common import RawValue

from moose_lib import calling
from moose_lib.dmv2.deliveries import Deliveries
from moose_lib.dmv2.retry_later import RetryLater
from moose_lib.dmv2.workflow import RunInfo, Task
from moose_lib.engine import wire
from moose_lib.engine.attempt import Assignment, Attempt, AttemptStopped, Stopped
from moose_lib.engine.attempts import MAX_LOSSES, Attempts, read_attempts
from moose_lib.engine.failures import FailureDetail, TaskFailure, WorkerLost, describe, sent_before_cancel
from moose_lib.engine.handlers import Handlers
from moose_lib.engine.packing import from_arguments
from moose_lib.engine.payloads import check_size
from moose_lib.engine.turn import Turn
from moose_lib.errors import InvalidInput
from moose_lib.logs.attribution import TaskLogger
from moose_lib.plan.retrying import TimeLimit
from moose_lib.project.loader import LoadedProject
from moose_lib.values import read_run_input

_logger = logging.getLogger(__name__)


class Activities:
    """The activities of a worker for one loaded project; `on_attempt_end` is called when all of an attempt is over."""

    def __init__(
        self, project: LoadedProject, handlers: Handlers, on_attempt_end: Callable[[RunInfo], None] | None = None
    ) -> None:
        self._project = project
        self._handlers = handlers
        self._on_attempt_end = on_attempt_end
        self._unknown_told = set[str]()
        self._attempts = set[asyncio.Task[Any]]()  # Any: whatever the SDK makes of an outcome
        self._is_hurried = False
        self._tasks = {
            wire.activity_type(workflow.name, task.name): task
            for workflow in project.workflows.values()
            for task in (*workflow.tasks(), *workflow.hooks().values())
        }

    def give_back(self) -> None:
        """Stop every attempt that runs, now, for other workers to run; what comes after is not begun."""
        self._is_hurried = True
        for attempt in self._attempts:
            attempt.cancel()

    @activity.defn(dynamic=True)
    async def perform(self, args: Sequence[RawValue]) -> RawValue:
        """Run a task, or find a plan."""
        if activity.info().activity_type == wire.PLAN_ACTIVITY:
            return await self._find_plan(args)
        call = wire.read_call(args[0].payload.data)
        values = from_arguments(args[1:], is_packed=call.is_packed)
        return await self._attend(Turn(call), values)

    async def _attend(self, turn: Turn, values: Sequence[bytes]) -> RawValue:
        call, attempts = turn.call, turn.attempts
        task = self._task(turn)
        if attempts.losses >= MAX_LOSSES:
            raise turn.failure(WorkerLost(attempts.losses))
        limit = turn.limit()
        if limit is not None and limit.time <= timedelta():
            raise turn.refusal(limit.error)
        assignment = _assignment(task, turn, values, limit)
        try:
            output = await self._run(Attempt(self._handlers, assignment, attempts.notes))
            check_size(output, f"output of task {call.task!r}")
        except AttemptStopped as stopped:
            sent_before_cancel.set(assignment.run.deliveries.tally)
            raise _consequence(stopped.reason, call.task, attempts) from None
        except BaseException as error:  # the boundary: whatever users' code raises is their task's failure
            if isinstance(error, asyncio.CancelledError) and activity.is_cancelled():
                raise
            error.with_traceback(calling.users_frames(error))
            _log(error, assignment.run)
            raise turn.failure(error, task.config.no_retry_for, assignment.run.deliveries) from None
        finally:
            assignment.run.deliveries.end()
            if self._on_attempt_end is not None:
                self._on_attempt_end(assignment.run)
        return _output(output, attempts, assignment.run.deliveries)

    async def _run(self, attempt: Attempt) -> bytes:
        """Run an attempt unless there is a hurry, and let it be stopped when there is one."""
        running = asyncio.current_task()
        assert running is not None, "the SDK runs every activity in a task"
        if self._is_hurried:
            raise AttemptStopped(Stopped.WORKER_SHUTDOWN)
        self._attempts.add(running)
        try:
            return await attempt.run()
        except AttemptStopped as stopped:
            if self._is_hurried and stopped.reason is Stopped.UNWANTED:  # Temporal does not know that it was stopped
                raise AttemptStopped(Stopped.WORKER_SHUTDOWN) from None
            raise
        finally:
            self._attempts.discard(running)

    def _task(self, turn: Turn) -> Task[Any, Any]:  # Any: tasks have models of their own
        kind = activity.info().activity_type
        task = self._tasks.get(kind)
        if task is None:
            if (overdue := turn.overdue()) is not None:
                raise turn.refusal(overdue)
            workflow, _ = wire.task_of(kind)
            what = f"task {turn.call.task!r} of workflow {workflow!r}"
            raise self._unknown(what, wire.TASK_UNKNOWN, turn.attempts)
        return task

    def _unknown(self, what: str, kind: str, attempts: Attempts) -> TaskFailure:
        activity.heartbeat(attempts.when_excused.model_dump())
        message = f"this worker does not know {what}"
        _logger.log(logging.DEBUG if what in self._unknown_told else logging.WARNING, "%s", message)
        self._unknown_told.add(what)  # it is asked again every few seconds, for as long as nobody knows it
        detail = FailureDetail(class_name=kind, message=message, kind="lost", attempt=attempts.number)
        return TaskFailure(message, detail, type=kind, is_last=False, delay=attempts.unknown_delay)

    async def _find_plan(self, args: Sequence[RawValue]) -> RawValue:
        """The envelope of a run that a foreign client started, after checking its input."""
        info = activity.info()
        attempts = read_attempts(info.attempt, info.heartbeat_details)
        name = info.workflow_type or ""
        plan = self._project.plans.get(name)
        if plan is None:
            raise self._unknown(f"workflow {name!r}", wire.WORKFLOW_UNKNOWN, attempts)
        start = self._project.workflows[name].config.starting_task
        data = args[0].payload.data
        running = self._handlers.in_thread(lambda: read_run_input(start.input_type, data))
        outcome = await running.outcome
        if outcome.error is not None:
            detail = describe(outcome.error, task=None)
            is_theirs = isinstance(outcome.error, InvalidInput)
            kind = type(outcome.error).__name__ if is_theirs else wire.INVALID_START
            raise TaskFailure(detail.message, detail, type=kind, is_last=True)
        return wire.encode(wire.Envelope(plan=plan))


def _assignment(
    task: Task[Any, Any],  # Any: as above
    turn: Turn,
    values: Sequence[bytes],
    limit: TimeLimit | None,
) -> Assignment:
    info = activity.info()
    run_id = info.workflow_run_id or ""
    run = RunInfo(
        workflow=info.workflow_type or "",
        workflow_id=info.workflow_id or "",
        run_id=run_id,
        task=turn.call.task,
        attempt=turn.attempts.number,
        scheduled_time=turn.call.scheduled_time,
        deliveries=Deliveries(turn.call.origin or run_id),
    )
    return Assignment(task=task, source=turn.call.source, values=values, run=run, limit=limit)


def _log(error: BaseException, run: RunInfo) -> None:
    if isinstance(error, RetryLater):
        TaskLogger(run).info("%s", error)
    else:
        TaskLogger(run).warning("attempt failed", exc_info=(type(error), error, error.__traceback__))


def _consequence(reason: Stopped, task: str, attempts: Attempts) -> BaseException:
    """What Temporal is told about a stopped attempt. It has used up no attempt, whatever it was stopped for."""
    activity.heartbeat(attempts.when_excused.model_dump())
    if reason is not Stopped.WORKER_SHUTDOWN:
        return asyncio.CancelledError()
    detail = FailureDetail(
        class_name=wire.WORKER_SHUTDOWN, message="the worker stopped", task=task, kind="lost", attempt=attempts.number
    )
    return TaskFailure(
        "the worker stopped; another one runs the task", detail, type=wire.WORKER_SHUTDOWN, is_last=False
    )


def _output(data: bytes, attempts: Attempts, deliveries: Deliveries) -> RawValue:
    value = wire.json_value(data)
    if attempts.number != attempts.handed_out:
        value.payload.metadata[wire.ATTEMPT_METADATA] = str(attempts.number).encode()
    for name, counts in asdict(deliveries.tally).items():
        if counts:
            value.payload.metadata[wire.TALLY_METADATA[name]] = json.dumps(counts).encode()
    return value
