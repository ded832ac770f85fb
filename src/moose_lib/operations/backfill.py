"""Runs for times of a schedule that have passed: all of them, or only those that never ran."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from temporalio.api.schedule.v1 import BackfillRequest, SchedulePatch, ScheduleSpec
from temporalio.client import Client

from moose_lib.errors import MooseError
from moose_lib.operations.listing import find_by_id
from moose_lib.operations.records import RunSummary
from moose_lib.operations.schedule_protos import overlap_number, timestamp
from moose_lib.operations.schedule_records import Slot, SlotState, schedule_id
from moose_lib.operations.schedules import describe_ours, patch_schedule, read_answer
from moose_lib.operations.slots import lead_of, time_before, times_between, trial_schedule, without_jitter

__all__ = ["MOST_SLOTS", "Backfill", "backfill", "plan_backfill"]

#: A run is the first one after the begin of its span, and starts at the end of it.
_Span: TypeAlias = tuple[datetime, datetime]
#: More at once would be dropped by the server's buffer.
MOST_SLOTS = 500
_AT_ONCE = 20
_INSTANT = timedelta(milliseconds=1)


class TooManySlots(MooseError):
    """A backfill of more times than the server takes at once."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """The times between `start` and `end`, each with the run it had; `overlap` is how their runs follow each other.

    `spans` have the moment at which the schedule really starts each, later where there is jitter, as their end, and
    begin so that it is the first after their begin.
    """

    workflow: str
    start: datetime
    end: datetime
    overlap: str
    slots: tuple[Slot, ...]
    spans: tuple[_Span, ...]

    @property
    def missing(self) -> tuple[Slot, ...]:
        """The times that had no run."""
        return tuple(slot for slot in self.slots if slot.state is SlotState.MISSING)

    def only_missing(self) -> Backfill:
        """Leave out the times that had a run."""
        kept = [it for it in zip(self.slots, self.spans, strict=True) if it[0].state is SlotState.MISSING]
        return replace(self, slots=tuple(slot for slot, _ in kept), spans=tuple(span for _, span in kept))


async def plan_backfill(
    client: Client, workflow: str, start: datetime, end: datetime, overlap: str | None = None
) -> Backfill:
    """Return the times of a schedule from `start` to `end`, both included, as far as they have passed.

    Unless `overlap` says otherwise, the runs follow one after the other; together, where the schedule allows that.

    Raises:
        ScheduleNotFound: the server has none, or one that is not ours.
        TooManySlots: there are more than `MOST_SLOTS`.
    """
    found = await describe_ours(client, workflow)
    answer = await read_answer(client, workflow)
    assert answer is not None, "it was there a moment ago"
    is_parallel = found.declared is not None and found.declared.overlap == "allow_all"
    end = min(end, datetime.now(UTC))
    identity = schedule_id(workflow)
    times = await _times(client, identity, answer.schedule.spec, start, end)
    if len(times) > MOST_SLOTS:
        raise TooManySlots(
            f"more than {MOST_SLOTS} times of {workflow!r} lie between {_shown(start)} and {_shown(end)}",
            hint="give a shorter span with --from and --to",
        )
    base = answer.schedule.action.start_workflow.workflow_id
    slots = await _slots(client, base, [nominal for nominal, _ in times])
    return Backfill(
        workflow=workflow,
        start=start,
        end=end,
        overlap=overlap or ("allow_all" if is_parallel else "buffer_all"),
        slots=slots,
        spans=tuple(span for _, span in times),
    )


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


async def backfill(client: Client, wanted: Backfill) -> None:
    """Start the runs of the times, now; they get the same ids as if they had been in time."""
    patch = SchedulePatch()
    patch.backfill_request.extend(
        BackfillRequest(
            start_time=timestamp(begin + _INSTANT),
            end_time=timestamp(moment),
            overlap_policy=overlap_number(wanted.overlap),
        )
        for begin, moment in wanted.spans
    )
    if wanted.spans:
        await patch_schedule(client, wanted.workflow, patch)


async def _times(
    client: Client, identity: str, spec: ScheduleSpec, start: datetime, end: datetime
) -> list[tuple[datetime, _Span]]:
    """Each time as it is declared, and its span; one or two more than `MOST_SLOTS` if there are more."""
    jitter, most = spec.jitter.ToTimedelta(), MOST_SLOTS + 2
    moments = await times_between(client, identity, start - _INSTANT, end + jitter, most, lead_of(spec))
    if not moments:
        return []
    spans = list(pairwise([await time_before(client, identity, spec, moments[0]), *moments]))
    if not jitter:
        return [(moment, (begin, moment)) for begin, moment in spans]
    plain = without_jitter(spec)
    async with trial_schedule(client, plain) as trial:
        declared = await times_between(client, trial, start - jitter - _INSTANT, end, most + 1, lead_of(plain))
    found = list[tuple[datetime, _Span]]()
    for begin, moment in spans:
        time = max((it for it in declared if begin < it <= moment), default=None)
        if time is not None and start <= time:
            found.append((time, (begin, moment)))
    return found


async def _slots(client: Client, base: str, times: Sequence[datetime]) -> tuple[Slot, ...]:
    """Look for the run of each time by its id, which is never behind as lists are."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def look(time: datetime) -> Slot:
        workflow_id = f"{base}-{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        async with places:
            run = await find_by_id(client, workflow_id)
        return _slot(time, workflow_id, run)

    return tuple(await asyncio.gather(*map(look, times)))


def _slot(time: datetime, workflow_id: str, run: RunSummary | None) -> Slot:
    if run is None:
        return Slot(time=time, workflow_id=workflow_id, state=SlotState.MISSING)
    return Slot(time=time, workflow_id=workflow_id, state=SlotState.RAN, run_state=run.state.value)
