"""Schedules in Temporal's own messages.

The SDK's `ScheduleHandle.update` sends no conflict token, so that it would undo what somebody else has just done, and
its schedules cannot be compared; so the messages are built here. The server drops an update whose token is old without
a word: whoever updates has to look again.

What was declared travels in the memo of the action, because Temporal lets the memo of a schedule be written only once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio.api.common.v1 import Memo, Payloads
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Range,
    Schedule,
    ScheduleAction,
    ScheduleActionResult,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
    StructuredCalendarSpec,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.client import Client
from temporalio.common import TypedSearchAttributes

from moose_lib.engine import wire
from moose_lib.engine.slot import scheduled_base_id, scheduled_time
from moose_lib.engine.starting import start_arguments
from moose_lib.operations.schedule_records import DeployedSchedule, Owner, ScheduledAction
from moose_lib.plan.model import Plan
from moose_lib.plan.schedule import PlannedSchedule
from moose_lib.schedules import read_cron

__all__ = [
    "MARK",
    "Record",
    "as_time",
    "drift",
    "hand_changes",
    "mark_of",
    "overlap_number",
    "read_record",
    "read_schedule",
    "schedule_message",
    "spec_message",
    "timestamp",
]

#: In the memo of a schedule: it is ours, and for which workflow. In that of its action: the record.
MARK: Final = "moose_schedule"

#: The shortest that Temporal takes: what it misses for longer is left to us (catchup.py), or to nobody.
_SHORTEST_WINDOW: Final = timedelta(seconds=10)
_LONGEST_WINDOW: Final = timedelta(days=365)


class Record(BaseModel):
    """What was declared when a schedule was deployed, and by whom.

    `caught_up` is how many of the times that the server counts as missed have been attended to.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    project: str
    task_queue: str
    schedule: PlannedSchedule
    timeout: timedelta | None = None
    retries: int = 0
    caught_up: int = 0

    @property
    def owner(self) -> Owner:
        """Who declared it."""
        return Owner(project=self.project, task_queue=self.task_queue)


def overlap_number(overlap: str) -> ScheduleOverlapPolicy.ValueType:
    """Return Temporal's number of one of our words."""
    return ScheduleOverlapPolicy.Value(f"SCHEDULE_OVERLAP_POLICY_{overlap.upper()}")


async def schedule_message(client: Client, plan: Plan, record: Record, *, is_paused: bool, note: str) -> Schedule:
    """Return the schedule of a workflow, whose runs a worker plans when they start: with the code of then."""
    return Schedule(
        spec=spec_message(record.schedule),
        action=ScheduleAction(start_workflow=await _start(client, plan, record)),
        policies=_policies(record.schedule),
        state=ScheduleState(paused=is_paused, notes=note),
    )


def _policies(schedule: PlannedSchedule) -> SchedulePolicies:
    policies = SchedulePolicies(overlap_policy=overlap_number(schedule.overlap))
    policies.catchup_window.FromTimedelta(_LONGEST_WINDOW if schedule.catchup == "all" else _SHORTEST_WINDOW)
    return policies


def spec_message(schedule: PlannedSchedule) -> ScheduleSpec:
    """Return the times of a schedule."""
    spec = ScheduleSpec(cron_string=schedule.crons, timezone_name=schedule.timezone)
    if schedule.every is not None:
        interval = IntervalSpec()
        interval.interval.FromTimedelta(schedule.every)
        spec.interval.append(interval)
    if schedule.jitter is not None:
        spec.jitter.FromTimedelta(schedule.jitter)
    return spec


async def _start(client: Client, plan: Plan, record: Record) -> NewWorkflowExecutionInfo:
    data = None if record.schedule.input is None else record.schedule.input.encode()
    limits = start_arguments(plan, data)
    start = NewWorkflowExecutionInfo(
        workflow_id=scheduled_base_id(plan.workflow),
        task_queue=TaskQueue(name=record.task_queue),
        memo=await memo_message(client, {MARK: record.model_dump_json(), wire.MEMO_WORKFLOW: plan.workflow}),
    )
    start.workflow_type.name = plan.workflow
    (summary,) = await client.data_converter.encode([f"scheduled: {record.schedule.text}"])
    start.user_metadata.summary.CopyFrom(summary)
    if data is not None:
        payloads = await client.data_converter.encode([wire.json_value(data)])
        start.input.CopyFrom(Payloads(payloads=payloads))
    if limits.execution_timeout is not None:
        start.workflow_execution_timeout.FromTimedelta(limits.execution_timeout)
    if limits.retry_policy is not None:
        limits.retry_policy.apply_to_proto(start.retry_policy)
    return start


async def memo_message(client: Client, texts: dict[str, str]) -> Memo:
    """Return a memo of texts."""
    payloads = await client.data_converter.encode(list(texts.values()))
    return Memo(fields=dict(zip(texts, payloads, strict=True)))


def mark_of(memo: Memo) -> bool:
    """Tell whether a schedule with this memo is one of ours, of whichever project."""
    return MARK in memo.fields


async def read_record(client: Client, answer: DescribeScheduleResponse) -> Record | None:
    """Return what was declared; None for a schedule that is not ours."""
    payload = answer.schedule.action.start_workflow.memo.fields.get(MARK)
    if payload is None or not mark_of(answer.memo):
        return None
    [text] = await client.data_converter.decode([payload], [str])
    try:
        return Record.model_validate_json(text)
    except ValidationError:
        return None


def read_schedule(
    answer: DescribeScheduleResponse,
    record: Record | None,
    *,
    drifted: tuple[str, ...],
    next_times: tuple[datetime, ...],
) -> DeployedSchedule:
    """Return what the server said about a schedule."""
    info, start = answer.info, answer.schedule.action.start_workflow
    return DeployedSchedule(
        workflow=start.workflow_type.name,
        declared=None if record is None else record.schedule,
        owner=None if record is None else record.owner,
        task_queue=start.task_queue.name,
        is_paused=answer.schedule.state.paused,
        note=answer.schedule.state.notes,
        next_times=next_times,
        recent=tuple(_action(start.workflow_type.name, action) for action in info.recent_actions),
        open_runs=tuple(run.workflow_id for run in info.running_workflows),
        created=as_time(info.create_time),
        updated=as_time(info.update_time) if info.HasField("update_time") else None,
        started=info.action_count,
        missed=info.missed_catchup_window,
        skipped=info.overlap_skipped,
        waiting=info.buffer_size,
        drifted=drifted,
    )


def _action(workflow: str, action: ScheduleActionResult) -> ScheduledAction:
    scheduled, workflow_id = as_time(action.schedule_time), action.start_workflow_result.workflow_id
    return ScheduledAction(
        scheduled=scheduled,
        slot=scheduled_time(workflow, workflow_id, TypedSearchAttributes.empty) or scheduled,
        started=as_time(action.actual_time),
        workflow_id=workflow_id,
        run_id=action.start_workflow_result.run_id,
    )


def drift(there: Schedule, wanted: Schedule) -> tuple[str, ...]:
    """Return what of a deployed schedule somebody has changed by hand; whether it is paused does not count."""
    found = list[str]()
    found += ["times"] if _times(there.spec) != _wanted_times(wanted.spec) else []
    found += ["time zone"] if (there.spec.timezone_name or "UTC") != wanted.spec.timezone_name else []
    found += ["jitter"] if there.spec.jitter.ToTimedelta() != wanted.spec.jitter.ToTimedelta() else []
    found += ["overlap"] if there.policies.overlap_policy != wanted.policies.overlap_policy else []
    windows = [policies.catchup_window.ToTimedelta() for policies in (there.policies, wanted.policies)]
    found += ["catchup"] if windows[0] != windows[1] else []
    starts = [schedule.action.start_workflow for schedule in (there, wanted)]
    is_same_start = all(
        getattr(starts[0], name) == getattr(starts[1], name)
        for name in ("workflow_id", "workflow_type", "workflow_execution_timeout")
    )
    found += [] if is_same_start else ["what it starts"]
    return tuple(found)


def hand_changes(workflow: str, there: Schedule, record: Record) -> tuple[str, ...]:
    """The same, since `record` was deployed."""
    start = NewWorkflowExecutionInfo(workflow_id=scheduled_base_id(workflow))
    start.workflow_type.name = workflow
    if record.timeout is not None:
        start.workflow_execution_timeout.FromTimedelta(record.timeout)
    action = ScheduleAction(start_workflow=start)
    return drift(
        there, Schedule(spec=spec_message(record.schedule), action=action, policies=_policies(record.schedule))
    )


_Times = tuple[frozenset[tuple[frozenset[int], ...]], frozenset[timedelta]]


def _times(spec: ScheduleSpec) -> _Times:
    calendars = frozenset(_calendar(calendar) for calendar in spec.structured_calendar)
    return calendars, frozenset(interval.interval.ToTimedelta() for interval in spec.interval)


def _wanted_times(spec: ScheduleSpec) -> _Times:
    calendars = frozenset(tuple(frozenset(field) for field in read_cron(cron)) for cron in spec.cron_string)
    return calendars, frozenset(interval.interval.ToTimedelta() for interval in spec.interval)


def _calendar(calendar: StructuredCalendarSpec) -> tuple[frozenset[int], ...]:
    days = frozenset(day % 7 for day in _numbers(calendar.day_of_week))
    fields: Sequence[Iterable[Range]] = (calendar.minute, calendar.hour, calendar.day_of_month, calendar.month)
    return (*(_numbers(field) for field in fields), days)


def _numbers(ranges: Iterable[Range]) -> frozenset[int]:
    return frozenset(number for it in ranges for number in range(it.start, max(it.start, it.end) + 1, it.step or 1))


def timestamp(time: datetime) -> Timestamp:
    """Return a time as Temporal's message."""
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def as_time(message: Timestamp) -> datetime:
    """Return the time of one of Temporal's messages."""
    return message.ToDatetime(tzinfo=UTC)


def request_id() -> str:
    """Return an id with which a repeated request counts once."""
    return str(uuid.uuid4())
