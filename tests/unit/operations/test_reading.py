"""Temporal's history in our words: what a real server sends too seldom to wait for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import cast

import pytest
from temporalio.api.common.v1 import ActivityType, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.enums.v1 import TimeoutType as WireTimeout
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    TimeoutFailureInfo,
)
from temporalio.api.history.v1 import (
    ActivityTaskScheduledEventAttributes,
    ActivityTaskStartedEventAttributes,
    ActivityTaskTimedOutEventAttributes,
    HistoryEvent,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.engine import wire
from moose_lib.operations.events import Outcome, RunBegan, RunEvent, TaskEnded, TaskQueued, TaskStarted
from moose_lib.operations.failures import read_task_error
from moose_lib.operations.reading import read_events
from moose_lib.operations.records import ParentRun

BAD = Failure(message="bad", application_failure_info=ApplicationFailureInfo(type="ValueError"))
STOPPED = Failure(application_failure_info=ApplicationFailureInfo(type=wire.WORKER_SHUTDOWN))
HEARTBEAT = Failure(timeout_failure_info=TimeoutFailureInfo(timeout_type=WireTimeout.TIMEOUT_TYPE_HEARTBEAT))


class FakeHandle:
    """One life of a run on a server that keeps `lives` by run id."""

    def __init__(self, lives: dict[str, list[HistoryEvent]], run_id: str, refusal: RPCStatusCode) -> None:
        self._lives = lives
        self._run_id = run_id
        self._refusal = refusal

    async def fetch_history_events(self, **_: object) -> AsyncIterator[HistoryEvent]:
        for event in self._lives[self._run_id]:
            yield event

    async def describe(self) -> None:
        if self._run_id not in self._lives:
            raise RPCError("refused", self._refusal, b"")


class FakeClient:
    """As much of a client as reading a history takes."""

    data_converter = DataConverter.default

    def __init__(self, lives: dict[str, list[HistoryEvent]], refusal: RPCStatusCode = RPCStatusCode.NOT_FOUND) -> None:
        self._lives = lives
        self._refusal = refusal

    def get_workflow_handle(self, _: str, *, run_id: str) -> FakeHandle:
        return FakeHandle(self._lives, run_id, self._refusal)


def event(number: int, kind: EventType.ValueType, **attributes: object) -> HistoryEvent:
    recorded = HistoryEvent(event_id=number, event_type=kind, **attributes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    recorded.event_time.FromDatetime(datetime(2026, 11, 22, 12, tzinfo=UTC))
    return recorded


def began(first_run_id: str) -> HistoryEvent:
    attributes = WorkflowExecutionStartedEventAttributes(
        workflow_type=WorkflowType(name="Order"),
        first_execution_run_id=first_run_id,
        parent_workflow_execution=WorkflowExecution(workflow_id="parent", run_id="p1"),
    )
    return event(
        1, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, workflow_execution_started_event_attributes=attributes
    )


async def read(client: FakeClient, run_id: str) -> list[RunEvent]:
    return [it async for it in read_events(cast("Client", client), "Order-1", run_id)]  # a part of one


async def test_a_run_whose_first_lives_are_forgotten_is_read_from_what_is_left() -> None:
    """Servers delete old histories after their retention."""
    (only,) = await read(FakeClient({"r2": [began("r1")]}), "r2")

    assert isinstance(only, RunBegan)
    assert (only.run_id, only.first_run_id, only.plan) == ("r2", "r1", None)
    assert only.parent == ParentRun(workflow_id="parent", run_id="p1")


async def test_any_other_refusal_is_told() -> None:
    """It is not a sign of age."""
    with pytest.raises(RPCError):
        await read(FakeClient({"r2": [began("r1")]}, RPCStatusCode.UNAVAILABLE), "r2")


async def test_a_history_that_is_empty_has_no_events() -> None:
    """Nothing to say is not an error here."""
    assert await read(FakeClient({"r1": []}), "r1") == []


def scheduled() -> HistoryEvent:
    attributes = ActivityTaskScheduledEventAttributes(activity_type=ActivityType(name="Order/charge"))
    return event(5, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, activity_task_scheduled_event_attributes=attributes)


@pytest.mark.parametrize(("last", "text"), [(BAD, "ValueError: bad"), (STOPPED, None), (None, None)])
async def test_the_last_attempt_tells_why_the_one_before_it_failed(last: Failure | None, text: str | None) -> None:
    """Of a worker that stopped there is nothing to tell."""
    attributes = ActivityTaskStartedEventAttributes(scheduled_event_id=5, attempt=2, last_failure=last)
    started = event(6, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED, activity_task_started_event_attributes=attributes)

    _, _, found = await read(FakeClient({"r1": [began("r1"), scheduled(), started]}), "r1")

    assert isinstance(found, TaskStarted)
    assert (None if found.last_error is None else str(found.last_error)) == text


def told(kind: str, attempt: int) -> Failure:
    """A failure as a worker of ours tells it."""
    detail = {"class": "Told", "message": "not now", "kind": kind, "attempt": attempt}
    [payload] = DataConverter.default.payload_converter.to_payloads([detail])
    info = ApplicationFailureInfo(type="Told", details=Payloads(payloads=[payload]))
    return Failure(message="not now", application_failure_info=info)


@pytest.mark.parametrize(
    ("last", "number"),
    [(None, 5), (HEARTBEAT, 1), (told("lost", 2), 2), (told("later", 1), 1), (told("task", 3), 4)],
    ids=["nothing before", "a lost worker", "a stopped worker", "RetryLater", "a failure"],
)
async def test_an_attempt_has_the_number_that_its_handler_saw(last: Failure | None, number: int) -> None:
    """Nobody says it at the end of one that is canceled: Temporal's count has those too that used none up."""
    attributes = ActivityTaskStartedEventAttributes(scheduled_event_id=5, attempt=5, last_failure=last)
    started = event(6, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED, activity_task_started_event_attributes=attributes)

    _, _, found = await read(FakeClient({"r1": [began("r1"), scheduled(), started]}), "r1")

    assert isinstance(found, TaskStarted)
    assert found.number == number


async def test_a_task_that_timed_out_for_good_failed() -> None:
    """Whatever else the server records is none of a status's business."""
    timed_out = event(
        6,
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        activity_task_timed_out_event_attributes=ActivityTaskTimedOutEventAttributes(
            scheduled_event_id=5, failure=HEARTBEAT
        ),
    )
    other = event(7, EventType.EVENT_TYPE_TIMER_STARTED)

    _, queued, ended = await read(FakeClient({"r1": [began("r1"), scheduled(), timed_out, other]}), "r1")

    assert isinstance(queued, TaskQueued)
    assert (queued.task, queued.key) == ("charge", 5)
    assert isinstance(ended, TaskEnded)
    assert ended.outcome is Outcome.FAILED
    assert str(ended.error) == "WorkerLost: its worker went away"


@pytest.mark.parametrize(
    ("failure", "text", "kind"),
    [
        (HEARTBEAT, "WorkerLost: its worker went away", "lost"),
        (Failure(message="stop", canceled_failure_info=CanceledFailureInfo()), "Canceled: stop", "canceled"),
        (
            Failure(
                message="activity error",
                activity_failure_info=ActivityFailureInfo(activity_type=ActivityType(name="Order/charge")),
                cause=BAD,
            ),
            "ValueError: bad",
            "task",
        ),
        (Failure(message="odd"), "FailureError: odd", "engine"),
    ],
)
async def test_failures_of_any_maker_are_told(failure: Failure, text: str, kind: str) -> None:
    """Also those of other SDKs, and of the server itself."""
    error = await read_task_error(DataConverter.default, failure)

    assert (str(error), error.kind) == (text, kind)
