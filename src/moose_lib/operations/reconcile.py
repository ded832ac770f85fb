"""Bringing the server's schedules in line with what a project declares.

Only this project's schedules are touched. A project is known by its name; one that was renamed says what it was called
(`former`), because nothing else tells it from another one. A run that is open goes on whatever happens to its schedule.
Anybody may do this at any time, several at once: a schedule that somebody else has just made is looked at again, and an
update counts only if nothing has changed since it was looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from temporalio.api.schedule.v1 import Schedule
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleResponse,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.errors import MooseError
from moose_lib.operations.schedule_protos import (
    MARK,
    Record,
    drift,
    memo_message,
    read_record,
    request_id,
    schedule_message,
    spec_message,
)
from moose_lib.operations.schedule_records import Change, ChangeKind, Owner, schedule_id
from moose_lib.operations.schedules import coming_times, marked, read_answer
from moose_lib.operations.slots import lead_of, next_times, trial_schedule
from moose_lib.plan.model import Plan
from moose_lib.plan.schedule import PlannedSchedule

__all__ = ["reconcile", "write_record"]

#: How often an update is tried against others that change the same schedule at the same time.
_TRIES = 5
_AT_ONCE = 10
_DECLARED_PAUSED = "declared with paused=True"


async def reconcile(
    client: Client,
    plans: Mapping[str, Plan],
    owner: Owner,
    *,
    removes: bool,
    is_dry: bool = False,
    former: str | None = None,
) -> tuple[Change, ...]:
    """Add and change schedules as `plans` say; with `removes`, remove this project's that are no longer declared.

    Those of the project `former` count as this project's.

    Returns what was done, or with `is_dry` would be: one change for each schedule that is declared or this project's,
    by workflow.

    Raises:
        MooseError: a schedule keeps changing while it is updated.
    """
    project = _Project(client=client, owner=owner, removes=removes, is_dry=is_dry, former=former)
    declared = {name: plan for name, plan in plans.items() if plan.schedule is not None}
    places = asyncio.Semaphore(_AT_ONCE)

    async def settle(workflow: str) -> Change | None:
        async with places:
            plan = declared.get(workflow)
            return await (project.leave(workflow) if plan is None else project.bring(plan))

    names = dict.fromkeys([*declared, *[name async for name in marked(client)]])
    changes = await asyncio.gather(*[settle(name) for name in names])
    return tuple(sorted((it for it in changes if it is not None), key=lambda it: it.workflow))


@dataclass(frozen=True, kw_only=True)
class _Project:
    client: Client
    owner: Owner
    removes: bool
    is_dry: bool
    former: str | None

    async def bring(self, plan: Plan) -> Change:
        """Have the schedule of a workflow as it is declared."""
        for _ in range(_TRIES):
            answer = await read_answer(self.client, plan.workflow)
            change = await (self._add(plan) if answer is None else self._change(plan, answer))
            if change is not None:
                return change
        raise MooseError(
            f"the schedule of {plan.workflow!r} keeps changing while it is updated", hint="moose-cli deploy"
        )

    async def leave(self, workflow: str) -> Change | None:
        """Remove the schedule of a workflow that declares none, if it is this project's."""
        answer = await read_answer(self.client, workflow)
        record = None if answer is None else await read_record(self.client, answer)
        if record is None or not self._owns(record) or record.task_queue != self.owner.task_queue:
            return None
        if not self.removes:
            return Change(kind=ChangeKind.LEFT, workflow=workflow, schedule=record.schedule)
        if not self.is_dry:
            await _delete(self.client, workflow)
        return Change(kind=ChangeKind.REMOVED, workflow=workflow, schedule=record.schedule)

    async def _add(self, plan: Plan) -> Change | None:
        """Create it; None if somebody else has just done so."""
        record = self._record(plan)
        schedule, is_paused = record.schedule, record.schedule.paused
        if not self.is_dry:
            note = _DECLARED_PAUSED if is_paused else ""
            message = await schedule_message(self.client, plan, record, is_paused=is_paused, note=note)
            if not await _create(self.client, plan.workflow, message):
                return None
        there = None if self.is_dry else await read_answer(self.client, plan.workflow)
        next_time = await self._next_time(plan.workflow, there)
        return Change(
            kind=ChangeKind.ADDED, workflow=plan.workflow, schedule=schedule, next_time=next_time, is_paused=is_paused
        )

    async def _change(self, plan: Plan, answer: DescribeScheduleResponse) -> Change | None:
        """Update it if it differs; None if somebody else changes it too."""
        there, record = await read_record(self.client, answer), self._record(plan)
        if there is None or not self._owns(there):
            owner = None if there is None else there.owner
            return Change(kind=ChangeKind.FOREIGN, workflow=plan.workflow, reasons=(_whose(there),), owner=owner)
        is_paused, note = _paused(answer.schedule, there.schedule, record.schedule)
        record = record.model_copy(update={"caught_up": answer.info.missed_catchup_window})
        wanted = await schedule_message(self.client, plan, record, is_paused=is_paused, note=note)
        reasons = tuple(_differences(there, record)) or _by_hand(drift(answer.schedule, wanted))
        changed = Change(
            kind=ChangeKind.CHANGED if reasons else ChangeKind.UNCHANGED,
            workflow=plan.workflow,
            schedule=record.schedule,
            reasons=reasons,
            is_paused=is_paused,
        )
        if not reasons:
            return replace(changed, next_time=await self._next_time(plan.workflow, answer))
        if self.is_dry:
            return replace(changed, next_time=await self._next_time_of(record.schedule))
        await _update(self.client, plan.workflow, wanted, answer.conflict_token)
        after = await read_answer(self.client, plan.workflow)
        if after is None or not _is_same(await read_record(self.client, after), record):
            return None
        return replace(changed, next_time=await self._next_time(plan.workflow, after))

    async def _next_time(self, workflow: str, answer: DescribeScheduleResponse | None) -> datetime | None:
        times = () if answer is None else await coming_times(self.client, workflow, answer)
        return times[0] if times else None

    async def _next_time_of(self, schedule: PlannedSchedule) -> datetime | None:
        """When a schedule would fire that is not on the server."""
        spec = spec_message(schedule)
        async with trial_schedule(self.client, spec) as trial:
            times = await next_times(self.client, trial, 1, lead=lead_of(spec))
        return times[0] if times else None

    def _owns(self, there: Record) -> bool:
        """Also with another queue than now: that is in the settings, and may change."""
        return there.project in (self.owner.project, self.former)

    def _record(self, plan: Plan) -> Record:
        assert plan.schedule is not None, "only workflows with a schedule are brought"
        return Record(
            project=self.owner.project,
            task_queue=self.owner.task_queue,
            schedule=plan.schedule,
            timeout=plan.timeout,
            retries=plan.retries,
        )


async def write_record(client: Client, workflow: str, answer: DescribeScheduleResponse, record: Record) -> None:
    """Write down something about a schedule that changes nothing else, unless somebody else has changed it."""
    schedule = Schedule()
    schedule.CopyFrom(answer.schedule)
    memo = await memo_message(client, {MARK: record.model_dump_json()})
    schedule.action.start_workflow.memo.fields[MARK].CopyFrom(memo.fields[MARK])
    await _update(client, workflow, schedule, answer.conflict_token)


def _whose(there: Record | None) -> str:
    if there is None:
        return "its id is taken by a schedule that was not made by moose-cli"
    return f"it belongs to project {there.project!r} with task queue {there.task_queue!r}"


def _paused(there: Schedule, before: PlannedSchedule, now: PlannedSchedule) -> tuple[bool, str]:
    """Keep what somebody has set by hand, unless the declaration has changed."""
    if now.paused == before.paused:
        return there.state.paused, there.state.notes
    return now.paused, _DECLARED_PAUSED if now.paused else "no longer declared with paused=True"


def _by_hand(changed: tuple[str, ...]) -> tuple[str, ...]:
    return (f"{', '.join(changed)} changed by hand",) if changed else ()


def _differences(there: Record, now: Record) -> Iterable[str]:
    fields = ("crons", "every", "timezone", "overlap", "catchup", "jitter", "paused", "input")
    if there.schedule != now.schedule:
        changed = [name for name in fields if getattr(there.schedule, name) != getattr(now.schedule, name)]
        if {"crons", "every", "timezone"} & set(changed):
            yield f"was {there.schedule.text}"
        yield from (name for name in changed if name not in ("crons", "every", "timezone"))
    yield from ["timeout"] if there.timeout != now.timeout else []
    yield from ["retries"] if there.retries != now.retries else []
    yield from [f"task queue was {there.task_queue}"] if there.task_queue != now.task_queue else []
    yield from [f"project was {there.project}"] if there.project != now.project else []


def _is_same(there: Record | None, wanted: Record) -> bool:
    return there is not None and not list(_differences(there, wanted))


async def _create(client: Client, workflow: str, schedule: Schedule) -> bool:
    request = CreateScheduleRequest(
        namespace=client.namespace,
        schedule_id=schedule_id(workflow),
        schedule=schedule,
        memo=await memo_message(client, {MARK: workflow}),
        identity=client.identity,
        request_id=request_id(),
    )
    try:
        await client.workflow_service.create_schedule(request)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return False
        raise
    return True


async def _update(client: Client, workflow: str, schedule: Schedule, conflict_token: bytes) -> None:
    request = UpdateScheduleRequest(
        namespace=client.namespace,
        schedule_id=schedule_id(workflow),
        schedule=schedule,
        conflict_token=conflict_token,
        identity=client.identity,
        request_id=request_id(),
    )
    await client.workflow_service.update_schedule(request)


async def _delete(client: Client, workflow: str) -> None:
    request = DeleteScheduleRequest(
        namespace=client.namespace, schedule_id=schedule_id(workflow), identity=client.identity
    )
    try:
        await client.workflow_service.delete_schedule(request, retry=True)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
