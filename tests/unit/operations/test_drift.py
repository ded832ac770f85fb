"""What of a deployed schedule somebody has changed by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import Schedule

from moose_lib.operations.schedule_protos import drift


def deployed() -> Schedule:
    """As the server has it."""
    schedule = Schedule()
    schedule.spec.timezone_name = "Europe/Berlin"
    schedule.action.start_workflow.workflow_type.name = "Nightly"
    return schedule


@pytest.mark.parametrize("word", ["time zone", "jitter", "overlap", "catchup", "what it starts"])
def test_each_change_by_hand_has_a_word(word: str) -> None:
    """Whether it is paused is no change."""
    there = deployed()
    there.state.paused = True
    match word:
        case "time zone":
            there.spec.timezone_name = "Europe/Paris"
        case "jitter":
            there.spec.jitter.FromTimedelta(timedelta(seconds=1))
        case "overlap":
            there.policies.overlap_policy = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
        case "catchup":
            there.policies.catchup_window.FromTimedelta(timedelta(hours=1))
        case _:
            there.action.start_workflow.workflow_type.name = "Weekly"

    assert drift(there, deployed()) == (word,)
    assert drift(deployed(), deployed()) == ()


def test_a_schedule_that_was_given_no_zone_is_in_utc() -> None:
    there, wanted = Schedule(), Schedule()
    wanted.spec.timezone_name = "UTC"

    assert drift(there, wanted) == ()
