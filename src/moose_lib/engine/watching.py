"""Tells an observer what the worker sees, by interceptors of the SDK: the interpreter and attempts know nothing of it.

What a run shows is told when its step is made for the first time, never on a replay. Temporal may refuse a step that
was made, when it took too long for example, and have it made again: this worker remembers what it has told. Another
worker that makes such a step tells the same once more.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from moose_lib.engine import wire
from moose_lib.engine.attempts import read_attempts
from moose_lib.engine.failures import read_failure
from moose_lib.engine.slot import scheduled_time
from moose_lib.engine.workflow import Interpreter
from moose_lib.observing.observer import (
    AttemptEnded,
    AttemptOutcome,
    AttemptSeen,
    AttemptStarted,
    Fault,
    Observer,
    RunEnded,
    RunSeen,
    RunStarted,
    RunState,
    TaskEnded,
    TaskSeen,
    TaskStarted,
    TaskState,
)
from moose_lib.plan.model import PlannedTask

#: Travels with a task where an attempt cannot know it otherwise.
_HEADER: Final = "moose-origin"
_UUID_WITH_TIME: Final = 7
#: Runs of which a worker remembers what it has told.
_REMEMBERED_RUNS: Final = 10_000


class _Origin(BaseModel):
    """Whose task it is: the first part of its run, and how often the run has handed it out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first_run_id: str
    turn: int = 1


@dataclass(slots=True)
class _Count:
    """How far a part of a run has come: what happens in it has an order that no replay changes."""

    runs_started: int = 0
    runs_ended: int = 0
    tasks_started: int = 0
    tasks_ended: int = 0


class _Memory:
    """How much has been told of each run."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, _Count] = OrderedDict()
        self._lock = threading.Lock()

    def told(self, run_id: str) -> _Count:
        """Return the count of a run, to be raised by whoever tells more of it."""
        with self._lock:
            count = self._told.setdefault(run_id, _Count())
            self._told.move_to_end(run_id)
            if len(self._told) > _REMEMBERED_RUNS:
                self._told.popitem(last=False)
        return count


class Watch(Interceptor):
    """Tells `observer` what happens in a worker."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._memory = _Memory()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Watch attempts."""
        return _Attempts(next, self._observer)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: ARG002  # the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        """Watch runs."""

        class Run(_Run):
            observer = self._observer
            memory = self._memory

        return Run


class _Attempts(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, observer: Observer) -> None:
        super().__init__(next)
        self._observer = observer

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # Any: the SDK's signature
        """Tell its start and its end."""
        if activity.info().activity_type == wire.PLAN_ACTIVITY:
            return await self.next.execute_activity(input)
        attempt, begun = _attempt(input.headers), time.monotonic()
        self._observer.see(AttemptStarted(attempt=attempt))
        outcome: AttemptOutcome = "completed"
        fault: Fault | None = None
        try:
            return await self.next.execute_activity(input)
        except BaseException as error:
            outcome, fault = _attempt_outcome(error), _fault(error)
            raise
        finally:
            took = timedelta(seconds=time.monotonic() - begun)
            self._observer.see(AttemptEnded(attempt=attempt, outcome=outcome, took=took, fault=fault))


def _attempt(headers: Mapping[str, Payload]) -> AttemptSeen:
    info = activity.info()
    run_id = info.workflow_run_id or ""
    workflow_name, task = wire.task_of(info.activity_type)
    attempts = read_attempts(info.attempt, info.heartbeat_details)
    origin = _read_origin(headers) or _Origin(first_run_id=run_id)
    return AttemptSeen(
        workflow=workflow_name,
        workflow_id=info.workflow_id or "",
        run_id=run_id,
        first_run_id=origin.first_run_id,
        task=task,
        turn=origin.turn,
        number=attempts.number,
        handed_out=attempts.handed_out,
        losses=attempts.losses,
        waited=info.started_time - info.current_attempt_scheduled_time,
    )


def _attempt_outcome(error: BaseException) -> AttemptOutcome:
    if not isinstance(error, ApplicationError):
        return "canceled" if isinstance(error, asyncio.CancelledError) else "retried"
    if error.non_retryable:
        return "failed"
    if error.type in wire.EXCUSED:
        return "returned" if error.type == wire.WORKER_SHUTDOWN else "unknown"
    return "postponed" if read_failure(error).kind == "later" else "retried"


def _fault(error: BaseException | None, planned: PlannedTask | None = None) -> Fault | None:
    if not isinstance(error, FailureError) or is_cancelled_exception(error):
        return None
    detail = read_failure(error, planned)
    return Fault(class_name=detail.class_name, message=detail.message, traceback=detail.traceback)


class _Run(WorkflowInboundInterceptor):
    """One part of a run; made anew when a worker takes it over."""

    observer: Observer
    memory: _Memory
    run: RunSeen

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Watch tasks too."""
        super().init(_Tasks(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # Any: the SDK's signature
        """Tell its start and its end."""
        self.run = _run()
        self._reached, self._told = _Count(), self.memory.told(self.run.run_id)
        if self.is_new("runs_started"):
            self.observer.see(RunStarted(run=self.run))
        try:
            result = await self.next.execute_workflow(input)
        except (FailureError, asyncio.CancelledError) as error:
            self._ended(_run_state(error), error)
            raise
        self._ended("completed")
        return result

    def _ended(self, state: RunState, error: BaseException | None = None) -> None:
        if self.is_new("runs_ended"):
            self.observer.see(RunEnded(run=self.run, state=state, ended=workflow.now(), fault=_fault(error)))

    def is_new(self, what: Literal["runs_started", "runs_ended", "tasks_started", "tasks_ended"]) -> bool:
        """Count the next one; tells whether nobody has heard of it. A run that leaves the memory counts as replayed."""
        number = getattr(self._reached, what) + 1
        setattr(self._reached, what, number)
        if workflow.unsafe.is_replaying() or number <= getattr(self._told, what):
            return False
        setattr(self._told, what, number)
        return True


class _Tasks(WorkflowOutboundInterceptor):
    """The tasks of one part of a run."""

    def __init__(self, next: WorkflowOutboundInterceptor, run: _Run) -> None:
        super().__init__(next)
        self._run = run
        self._turns: dict[str, int] = {}

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # Any: the SDK's signature
        """Tell its start, and its end when that has come."""
        run, name = self._run.run, input.activity_id or ""
        if input.activity == wire.PLAN_ACTIVITY:
            return super().start_activity(input)
        turn = self._turns[name] = self._turns.get(name, 0) + 1
        if turn > 1 or run.first_run_id != run.run_id:
            origin = wire.encode(_Origin(first_run_id=run.first_run_id, turn=turn))
            input.headers = {**input.headers, _HEADER: origin.payload}
        handle = super().start_activity(input)
        task = TaskSeen(run=run, name=name, turn=turn, started=workflow.now())
        if self._run.is_new("tasks_started"):
            self._run.observer.see(TaskStarted(task=task))
        handle.add_done_callback(functools.partial(self._on_end, task))
        return handle

    def _on_end(self, task: TaskSeen, handle: asyncio.Task[Any]) -> None:  # Any: as above
        if not self._run.is_new("tasks_ended"):
            return
        error = asyncio.CancelledError() if handle.cancelled() else handle.exception()
        planned = _planned(task.name)
        state, fault = _task_state(error, planned), _fault(error, planned)
        self._run.observer.see(TaskEnded(task=task, state=state, ended=workflow.now(), fault=fault))


def _run() -> RunSeen:
    info = workflow.info()
    resumed_from = workflow.memo_value(wire.MEMO_RESUMED_FROM, default=None, type_hint=str)
    return RunSeen(
        workflow=info.workflow_type,
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        first_run_id=info.first_execution_run_id,
        attempt=info.attempt,
        started=started_of(info.first_execution_run_id) or info.workflow_start_time,
        scheduled_time=scheduled_time(info.workflow_type, info.workflow_id, info.typed_search_attributes),
        resumed_from=workflow.memo_value(wire.MEMO_RESUMED_ORIGIN, default=resumed_from, type_hint=str),
    )


def started_of(run_id: str) -> datetime | None:
    """When a run was started: the ids that Temporal gives say so (UUIDs of version 7). `None` if this one does not."""
    try:
        identity = uuid.UUID(run_id)
    except ValueError:
        return None
    if identity.version != _UUID_WITH_TIME:
        return None
    return datetime.fromtimestamp((identity.int >> 80) / 1000, UTC)


def _read_origin(headers: Mapping[str, Payload]) -> _Origin | None:
    given = headers.get(_HEADER)
    try:
        return None if given is None else _Origin.model_validate_json(given.data)
    except ValidationError:
        return None


def _run_state(error: BaseException) -> RunState:
    info = workflow.info()
    if workflow.cancellation_reason() is not None and is_cancelled_exception(error):
        return "canceled"
    if info.retry_policy is None or (isinstance(error, ApplicationError) and error.non_retryable):
        return "failed"
    return "retried" if info.attempt < info.retry_policy.maximum_attempts else "failed"


def _planned(name: str) -> PlannedTask | None:
    interpreter: object = workflow.instance()
    plan = interpreter.plan if isinstance(interpreter, Interpreter) else None
    return None if plan is None else plan.by_name.get(name)


def _task_state(error: BaseException | None, planned: PlannedTask | None) -> TaskState:
    if error is None:
        return "completed"
    if is_cancelled_exception(error):
        return "canceled"
    return "parked" if planned is not None and planned.on_failure == "park" else "failed"
