"""The next times of a deployed schedule, as far as they have not passed, and the ones that its last runs stand for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.client import Client

from moose_lib.operations import schedules
from moose_lib.operations.schedule_protos import read_schedule, timestamp
from moose_lib.operations.schedules import coming_times

NOBODY = cast("Client", None)  # whoever asks it is stood in for
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
PAST = SOON - timedelta(hours=2)


def told(*times: datetime) -> DescribeScheduleResponse:
    """What the server says of a schedule."""
    answer = DescribeScheduleResponse()
    answer.info.future_action_times.extend(timestamp(time) for time in times)
    return answer


@pytest.fixture(autouse=True)
def worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server answers when it is asked for the times after now."""

    async def next_times(client: Client, schedule: str, count: int, *, lead: timedelta) -> tuple[datetime, ...]:
        assert (client, schedule, lead) == (NOBODY, "moose-Nightly", timedelta())
        return tuple(SOON + timedelta(days=number) for number in range(count))

    monkeypatch.setattr(schedules, "next_times", next_times)


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (told(SOON), (SOON,)),
        (told(PAST, SOON), (SOON,)),
        (told(PAST, PAST), (SOON, SOON + timedelta(days=1))),
        (told(), ()),
    ],
)
async def test_no_time_that_has_passed_is_next(answer: DescribeScheduleResponse, times: tuple[datetime, ...]) -> None:
    """After the server was down, what it knows is of before; one that never fires again stays so."""
    assert await coming_times(NOBODY, "Nightly", answer) == times


@pytest.mark.parametrize(
    ("workflow_id", "slot"),
    [
        (f"Nightly-scheduled-{PAST:%Y-%m-%dT%H:%M:%SZ}", PAST),
        ("by-hand-7", PAST + timedelta(seconds=9)),
    ],
    ids=["scheduled", "by hand"],
)
def test_a_run_stands_for_its_slot_and_not_for_its_jittered_start(workflow_id: str, slot: datetime) -> None:
    """As far as its id tells; a schedule that was made by hand names its runs in another way."""
    answer = told()
    answer.schedule.action.start_workflow.workflow_type.name = "Nightly"
    action = answer.info.recent_actions.add(schedule_time=timestamp(PAST + timedelta(seconds=9)))
    action.start_workflow_result.workflow_id = workflow_id

    [run] = read_schedule(answer, None, drifted=(), next_times=()).recent
    assert (run.slot, run.scheduled) == (slot, PAST + timedelta(seconds=9))
