"""Temporal's own history of a run, event by event."""

from __future__ import annotations

from datetime import UTC

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionSignaledEventAttributes
from temporalio.client import Client
from temporalio.converter import DataConverter

from moose_lib.engine.wire import task_of
from moose_lib.errors import MooseError
from moose_lib.operations.failures import read_task_error
from moose_lib.operations.payloads import read_json
from moose_lib.operations.records import RecordedEvent, TaskError
from moose_lib.operations.signals import read_order

__all__ = ["recorded_events"]


async def recorded_events(client: Client, workflow_id: str, run_id: str) -> tuple[RecordedEvent, ...]:
    """Return every event of one life of a run, the oldest first."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    activities = dict[int, str]()
    recorded = list[RecordedEvent]()
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            activity = event.activity_task_scheduled_event_attributes.activity_type.name
            activities[event.event_id] = task_of(activity)[1] or activity
        recorded.append(await _recorded(client.data_converter, event, activities))
    return tuple(recorded)


async def _recorded(converter: DataConverter, event: HistoryEvent, activities: dict[int, str]) -> RecordedEvent:
    kind = event.WhichOneof("attributes")
    attributes: Message | None = None if kind is None else getattr(event, kind)
    scheduled = getattr(attributes, "scheduled_event_id", event.event_id)
    if isinstance(attributes, WorkflowExecutionSignaledEventAttributes):
        return await _told(converter, event, attributes)
    return RecordedEvent(
        time=event.event_time.ToDatetime(tzinfo=UTC),
        type=EventType.Name(event.event_type),
        task=activities.get(scheduled),
        result=await _result(converter, attributes),
        error=await _error(converter, attributes),
        reason=getattr(attributes, "reason", None) or None,
    )


async def _told(
    converter: DataConverter, event: HistoryEvent, signaled: WorkflowExecutionSignaledEventAttributes
) -> RecordedEvent:
    order = await read_order(converter, signaled.input.payloads)
    return RecordedEvent(
        time=event.event_time.ToDatetime(tzinfo=UTC),
        type=EventType.Name(event.event_type),
        task=None if order is None or not order.task else order.task,
        signal=signaled.signal_name,
        reason=None if order is None else order.reason,
    )


async def _result(converter: DataConverter, attributes: Message | None) -> bytes | None:
    payloads = getattr(getattr(attributes, "result", None), "payloads", ())
    try:
        return await read_json(converter, payloads[0]) if payloads else None
    except MooseError:  # a large value that this machine does not have
        return None


async def _error(converter: DataConverter, attributes: Message | None) -> TaskError | None:
    failure = getattr(attributes, "failure", None)
    if not isinstance(failure, Failure) or attributes is None or not attributes.HasField("failure"):
        return None
    return await read_task_error(converter, failure)
