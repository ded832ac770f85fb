"""Temporal's history of a run, read along its whole chain of lives and told in our events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import TypeAdapter
from pydantic_core import from_json
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import ContinueAsNewInitiator, EventType, PendingActivityState
from temporalio.api.history.v1 import (
    ActivityTaskStartedEventAttributes,
    HistoryEvent,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.dmv2.deliveries import Tally
from moose_lib.engine import wire
from moose_lib.engine.attempts import read_notes
from moose_lib.engine.packing import unpack
from moose_lib.errors import MooseError
from moose_lib.operations.events import (
    CancelRequested,
    Outcome,
    PendingTask,
    PickedUp,
    Planned,
    RunBegan,
    RunClosed,
    RunEvent,
    TaskEnded,
    TaskQueued,
    TaskStarted,
)
from moose_lib.operations.failures import read_run_error, read_task_error
from moose_lib.operations.payloads import read_json, read_raw
from moose_lib.operations.records import ParentRun, RunError, RunState, TaskError
from moose_lib.operations.signals import read_signal
from moose_lib.plan.model import Plan

__all__ = ["read_events", "read_pending"]

_STARTED = frozenset(
    {
        PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
        PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
    }
)

#: Failures that end a scheduling without being an attempt; the interpreter schedules the task again.
_OUTCOMES = {wire.WORKER_SHUTDOWN: Outcome.RETURNED, wire.TASK_UNKNOWN: Outcome.UNKNOWN}


_TALLY = TypeAdapter(Tally)


async def read_events(
    client: Client, workflow_id: str, run_id: str, *, wait: bool = False, with_values: bool = False
) -> AsyncIterator[RunEvent]:
    """Yield everything recorded about a run, from its first life on, whichever of its run ids is given.

    With `wait`, stay until the run has ended for good; without, stop at the newest event. `with_values` fetches the
    inputs and outputs too, which may be large.
    """
    next_run_id: str | None = await _first_run_id(client, workflow_id, run_id)
    while next_run_id is not None:
        handle = client.get_workflow_handle(workflow_id, run_id=next_run_id)
        life = _Life(client.data_converter, next_run_id, with_values=with_values)
        next_run_id = None
        async for recorded in handle.fetch_history_events(wait_new_event=wait):
            event = await life.translate(recorded)
            if event is None:
                continue
            yield event
            if isinstance(event, RunClosed):
                next_run_id = event.next_run_id


async def _first_run_id(client: Client, workflow_id: str, run_id: str) -> str:
    """Return the oldest life of the run that the server still has."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    async for event in handle.fetch_history_events(page_size=1):
        first = event.workflow_execution_started_event_attributes.first_execution_run_id or run_id
        if first == run_id:
            return run_id
        try:
            await client.get_workflow_handle(workflow_id, run_id=first).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return run_id  # the first lives are past the server's retention
        return first
    return run_id


class _Life:
    """Translates the events of one life of a run."""

    def __init__(self, converter: DataConverter, run_id: str, *, with_values: bool) -> None:
        self._converter = converter
        self._with_values = with_values
        self._run_id = run_id
        self._plan_keys = set[int]()
        self._plan: Plan | None = None
        self._names = dict[int, str]()
        self._translators: Mapping[int, Callable[[HistoryEvent], Awaitable[RunEvent | None]]] = {
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: self._began,
            EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: self._picked_up,
            EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: self._queued,
            EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: self._started,
            EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: self._completed,
            EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: self._failed,
            EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: self._timed_out,
            EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: self._canceled,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: self._cancel_requested,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: self._signaled,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: self._run_completed,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: self._run_failed,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: self._run_timed_out,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: self._run_canceled,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: self._run_terminated,
            EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: self._run_continued,
        }

    async def translate(self, event: HistoryEvent) -> RunEvent | None:
        """Return our event; None for what no reader of a status cares about."""
        translator = self._translators.get(event.event_type)
        return None if translator is None else await translator(event)

    async def _began(self, event: HistoryEvent) -> RunBegan:
        began = event.workflow_execution_started_event_attributes
        payloads = began.input.payloads
        envelope = await self._envelope(payloads[1]) if len(payloads) > 1 else None
        self._plan = None if envelope is None else envelope.plan
        frontier = _frontier(envelope, is_retry=began.attempt > 1)
        parent = began.parent_workflow_execution
        return RunBegan(
            time=_time(event.event_time),
            run_id=self._run_id,
            first_run_id=began.first_execution_run_id or self._run_id,
            workflow=began.workflow_type.name,
            is_continued=began.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
            attempt=max(began.attempt, 1),
            max_attempts=_max_attempts(began),
            plan=None if envelope is None else envelope.plan,
            completed=frontier.completed,
            failed=frontier.failed,
            parked=tuple(frontier.parked),
            is_paused=frontier.is_paused,
            resumed_from=await self._resumed_from(began),
            origin=None if envelope is None else envelope.origin,
            parent=ParentRun(workflow_id=parent.workflow_id, run_id=parent.run_id) if parent.workflow_id else None,
            input=await self._value(payloads, 0) if payloads else b"null",
            outputs=await self._kept_outputs(frontier, payloads),
        )

    async def _value(self, payloads: Sequence[Payload], position: int) -> bytes | None:
        if not self._with_values or len(payloads) <= position:
            return None
        try:
            return await read_json(self._converter, payloads[position])
        except MooseError:  # a large value that this machine does not have
            return None

    async def _kept_outputs(self, frontier: wire.Frontier, payloads: Sequence[Payload]) -> Mapping[str, bytes]:
        if not self._with_values or not frontier.outputs:
            return {}
        try:
            packed = await read_raw(self._converter, payloads[2])
        except MooseError:  # as above
            return {}
        return dict(zip(frontier.outputs, unpack(packed), strict=True))

    async def _resumed_from(self, began: WorkflowExecutionStartedEventAttributes) -> str | None:
        if wire.MEMO_RESUMED_FROM not in began.memo.fields:
            return None
        data = await read_json(self._converter, began.memo.fields[wire.MEMO_RESUMED_FROM])
        return None if data is None else str(json.loads(data))

    async def _signaled(self, event: HistoryEvent) -> RunEvent | None:
        return await read_signal(self._converter, event, with_values=self._with_values)

    async def _envelope(self, payload: Payload) -> wire.Envelope | None:
        return wire.read_envelope(await read_json(self._converter, payload))

    async def _picked_up(self, event: HistoryEvent) -> PickedUp:
        return PickedUp(time=_time(event.event_time))

    async def _queued(self, event: HistoryEvent) -> TaskQueued | None:
        queued = event.activity_task_scheduled_event_attributes
        if queued.activity_type.name == wire.PLAN_ACTIVITY:
            self._plan_keys.add(event.event_id)
            return None
        task = self._names[event.event_id] = _task_name(queued.activity_type.name)
        return TaskQueued(time=_time(event.event_time), key=event.event_id, task=task)

    async def _started(self, event: HistoryEvent) -> TaskStarted | None:
        started = event.activity_task_started_event_attributes
        if started.scheduled_event_id in self._plan_keys:
            return None
        return TaskStarted(
            time=_time(event.event_time),
            key=started.scheduled_event_id,
            number=await _number(self._converter, started),
            last_error=await _last_error(self._converter, started),
        )

    async def _completed(self, event: HistoryEvent) -> RunEvent | None:
        completed = event.activity_task_completed_event_attributes
        if completed.scheduled_event_id not in self._plan_keys:
            return TaskEnded(
                time=_time(event.event_time),
                key=completed.scheduled_event_id,
                outcome=Outcome.COMPLETED,
                attempts=_attempts_of(completed.result),
                output=await self._value(completed.result.payloads, 0),
                sent=_tally_of(completed.result),
            )
        envelope = await self._envelope(completed.result.payloads[0])
        self._plan = None if envelope is None else envelope.plan
        return None if envelope is None else Planned(time=_time(event.event_time), plan=envelope.plan)

    async def _failed(self, event: HistoryEvent) -> RunEvent | None:
        failed = event.activity_task_failed_event_attributes
        outcome = _OUTCOMES.get(failed.failure.application_failure_info.type, Outcome.FAILED)
        error = await read_task_error(self._converter, failed.failure)
        return self._ended(event, failed.scheduled_event_id, outcome, error, error.attempt)

    async def _timed_out(self, event: HistoryEvent) -> RunEvent | None:
        timed_out = event.activity_task_timed_out_event_attributes
        name = self._names.get(timed_out.scheduled_event_id, "")
        planned = None if self._plan is None else self._plan.find(name)
        error = await read_task_error(self._converter, timed_out.failure, planned)
        return self._ended(event, timed_out.scheduled_event_id, Outcome.FAILED, error, error.attempt)

    async def _canceled(self, event: HistoryEvent) -> RunEvent | None:
        canceled = event.activity_task_canceled_event_attributes
        sent = Tally()
        if canceled.details.payloads:
            told = await read_json(self._converter, canceled.details.payloads[0])
            if told is not None and told.startswith(b"{"):  # where no attempt ran: "ACTIVITY_ID_NOT_STARTED"
                sent = _TALLY.validate_json(told)
        return self._ended(event, canceled.scheduled_event_id, Outcome.CANCELED, sent=sent)

    def _ended(
        self,
        event: HistoryEvent,
        key: int,
        outcome: Outcome,
        error: TaskError | None = None,
        attempts: int | None = None,
        sent: Tally | None = None,
    ) -> TaskEnded | None:
        if key in self._plan_keys:
            return None
        return TaskEnded(
            time=_time(event.event_time),
            key=key,
            outcome=outcome,
            error=error,
            attempts=attempts,
            sent=sent or (Tally() if error is None else error.sent),
        )

    async def _cancel_requested(self, event: HistoryEvent) -> CancelRequested:
        return CancelRequested(time=_time(event.event_time))

    async def _run_completed(self, event: HistoryEvent) -> RunClosed:
        completed = event.workflow_execution_completed_event_attributes
        result, fault = None, None
        try:
            if completed.result.payloads:
                result = await read_json(self._converter, completed.result.payloads[0])
        except MooseError as error:  # a large value that this machine does not have: all the rest can still be told
            fault = error.message
        return RunClosed(
            time=_time(event.event_time),
            state=RunState.COMPLETED,
            result=result,
            result_fault=fault,
            next_run_id=completed.new_execution_run_id or None,
        )

    async def _run_failed(self, event: HistoryEvent) -> RunClosed:
        failed = event.workflow_execution_failed_event_attributes
        error = await read_run_error(self._converter, failed.failure)
        return self._closed(event, RunState.FAILED, error, failed.new_execution_run_id)

    async def _run_timed_out(self, event: HistoryEvent) -> RunClosed:
        timed_out = event.workflow_execution_timed_out_event_attributes
        error = TaskError(class_name="RunTimedOut", message="took longer than the workflow's timeout", kind="timeout")
        return self._closed(event, RunState.TIMED_OUT, RunError(error=error), timed_out.new_execution_run_id)

    async def _run_canceled(self, event: HistoryEvent) -> RunClosed:
        return self._closed(event, RunState.CANCELED)

    async def _run_terminated(self, event: HistoryEvent) -> RunClosed:
        reason = event.workflow_execution_terminated_event_attributes.reason
        error = TaskError(class_name="Terminated", message=reason, kind="terminated", is_retryable=False)
        return self._closed(event, RunState.TERMINATED, RunError(error=error))

    async def _run_continued(self, event: HistoryEvent) -> RunClosed:
        continued = event.workflow_execution_continued_as_new_event_attributes
        return self._closed(event, RunState.CONTINUED_AS_NEW, None, continued.new_execution_run_id)

    def _closed(
        self, event: HistoryEvent, state: RunState, error: RunError | None = None, next_run_id: str = ""
    ) -> RunClosed:
        return RunClosed(time=_time(event.event_time), state=state, error=error, next_run_id=next_run_id or None)


async def read_pending(converter: DataConverter, activities: Iterable[PendingActivityInfo]) -> tuple[PendingTask, ...]:
    """Return what the server knows about tasks beyond the history: the attempts going on, and those to come."""
    return tuple([await _pending(converter, activity) for activity in activities])


async def _pending(converter: DataConverter, activity: PendingActivityInfo) -> PendingTask:
    details = await converter.decode([*activity.heartbeat_details.payloads])
    last_type = activity.last_failure.application_failure_info.type
    is_plan = activity.activity_type.name == wire.PLAN_ACTIVITY
    notes = read_notes(details)
    return PendingTask(
        task=None if is_plan else _task_name(activity.activity_type.name),
        used=notes.used,
        held_up_by=notes.held_up_by,
        is_started=activity.state in _STARTED,
        is_unknown=last_type in {wire.TASK_UNKNOWN, wire.WORKFLOW_UNKNOWN},
        started=_time(activity.last_started_time) if activity.HasField("last_started_time") else None,
        next_attempt=_next_attempt(activity),
        last_error=await _last_error(converter, activity),
    )


async def _last_error(
    converter: DataConverter, seen: PendingActivityInfo | ActivityTaskStartedEventAttributes
) -> TaskError | None:
    """Return why the attempt before failed, if one did."""
    if not seen.HasField("last_failure") or seen.last_failure.application_failure_info.type in wire.EXCUSED:
        return None
    return await read_task_error(converter, seen.last_failure)


async def _number(converter: DataConverter, started: ActivityTaskStartedEventAttributes) -> int:
    """Return the task's own count: Temporal's has the times that use no attempt up as well."""
    before = await read_task_error(converter, started.last_failure) if started.HasField("last_failure") else None
    if before is None or before.attempt is None:
        return started.attempt
    begins_again = before.is_lost or before.is_request
    return min(before.attempt if begins_again else before.attempt + 1, started.attempt)


def _frontier(envelope: wire.Envelope | None, *, is_retry: bool) -> wire.Frontier:
    """Return where a life of a run begins, by the interpreter's rules."""
    if envelope is None or envelope.frontier is None:
        return wire.Frontier()
    if is_retry:
        kept = envelope.frontier if envelope.is_resumed else wire.Frontier()
        return wire.Frontier(completed=kept.begin, outputs=kept.outputs)
    return envelope.frontier


def _max_attempts(began: WorkflowExecutionStartedEventAttributes) -> int | None:
    if not began.HasField("retry_policy"):
        return 1
    return began.retry_policy.maximum_attempts or None  # Temporal's 0 is no limit


def _next_attempt(activity: PendingActivityInfo) -> datetime | None:
    if not activity.HasField("next_attempt_schedule_time"):
        return None
    return _time(activity.next_attempt_schedule_time)


def _attempts_of(result: Payloads) -> int | None:
    """Return the task's own count, where it is not the one that Temporal has."""
    number = result.payloads[0].metadata.get(wire.ATTEMPT_METADATA, b"") if result.payloads else b""
    return int(number) if number.isdigit() else None


def _tally_of(result: Payloads) -> Tally:
    """Return what the attempt has sent."""
    told: Mapping[str, bytes] = result.payloads[0].metadata if result.payloads else {}
    return _TALLY.validate_python({it: from_json(told[key]) for it, key in wire.TALLY_METADATA.items() if key in told})


def _task_name(activity_type: str) -> str:
    return wire.task_of(activity_type)[1] or activity_type


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
