"""The schedule in a plan: plain data, with everything that was left unset decided."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from moose_lib.dmv2 import Schedule, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.errors import InvalidDefinition
from moose_lib.plan.build import compile_workflow
from moose_lib.plan.model import Plan
from moose_lib.plan.schedule import PlannedSchedule


class Report(BaseModel):
    day: date
    days: int = 1


class Optional(BaseModel):
    days: int = 7


def report(_: Report) -> None:
    """Takes an input that has to be given."""


def optional(_: Optional) -> None:
    """Takes one that has only defaults."""


def nothing() -> None:
    """Takes none."""


REPORT = Task[Report, None](name="report", config=TaskConfig(run=report))
OPTIONAL = Task[Optional, None](name="optional", config=TaskConfig(run=optional))
NOTHING = Task[None, None](name="nothing", config=TaskConfig(run=nothing))


def planned(schedule: str | Schedule, start: Task[Report, None] | Task[Optional, None] | Task[None, None]) -> Plan:
    return compile_workflow(Workflow("W", WorkflowConfig(starting_task=start, schedule=schedule)))


def told(schedule: str | Schedule, start: Task[Report, None] | Task[Optional, None] | Task[None, None]) -> str:
    with pytest.raises(InvalidDefinition) as caught:
        planned(schedule, start)
    [fault] = caught.value.faults
    assert fault.location is not None
    assert Path(fault.location.file) == Path(__file__)
    assert (fault.code, fault.workflow) == ("bad-schedule-input", "W")
    return f"{fault.message} ({fault.hint})"


def test_a_text_becomes_data() -> None:
    assert planned("0 9 1 * mon", NOTHING).schedule == PlannedSchedule(
        text="0 9 1 * mon", crons=("0 9 1 * *", "0 9 * * mon")
    )
    assert planned("36h", NOTHING).schedule == PlannedSchedule(text="36h", every=timedelta(hours=36))


def test_a_schedule_becomes_data_with_its_input_as_json() -> None:
    schedule = Schedule(
        cron="30 6 * * mon-fri",
        timezone="Europe/Berlin",
        overlap="buffer_one",
        catchup="none",
        jitter="5m",
        paused=True,
        input=Report(day=date(2027, 1, 2)),
    )

    assert planned(schedule, REPORT).schedule == PlannedSchedule(
        text="30 6 * * mon-fri (Europe/Berlin)",
        crons=("30 6 * * mon-fri",),
        timezone="Europe/Berlin",
        overlap="buffer_one",
        catchup="none",
        jitter=timedelta(minutes=5),
        paused=True,
        input='{"day":"2027-01-02","days":1}',
    )


def test_an_input_may_be_a_mapping_or_have_only_defaults() -> None:
    given = planned(Schedule(every="1h", input={"day": date(2027, 1, 2)}), REPORT).schedule
    left_out = planned("1h", OPTIONAL).schedule

    assert given is not None
    assert left_out is not None
    assert (given.input, left_out.input) == ('{"day":"2027-01-02"}', None)


def test_missed_times_that_all_run_queue_up_unless_something_else_is_said() -> None:
    """With "skip" they would come while the first one runs, and be skipped."""
    unset = planned(Schedule(every="1h", catchup="all"), NOTHING).schedule
    said = planned(Schedule(every="1h", catchup="all", overlap="skip"), NOTHING).schedule

    assert unset is not None
    assert said is not None
    assert (unset.overlap, said.overlap) == ("buffer_all", "skip")


def test_an_input_that_is_needed_and_not_given_is_a_fault() -> None:
    text = "workflow 'W': schedule gives no input, but task 'report' needs one of Report: day: is missing"

    assert told("@daily", REPORT) == f"{text} (write schedule=Schedule(…, input=Report(…)))"
    assert told(Schedule(every="1h"), REPORT) == f"{text} (write schedule=Schedule(…, input=Report(…)))"


def test_an_input_that_does_not_fit_is_a_fault() -> None:
    assert told(Schedule(every="1h", input={"day": "soon"}), REPORT).startswith(
        "workflow 'W': input of the schedule is not a valid Report: day: input should be a valid date"
    )
    assert told(Schedule(every="1h", input=Optional()), REPORT) == (
        "workflow 'W': input of the schedule is not a valid Report: it is a Optional (None)"
    )
    assert told(Schedule(every="1h", input={"days": 1}), NOTHING) == (
        "workflow 'W': schedule gives an input, but task 'nothing' takes none (leave input=… out)"
    )


def test_plans_of_earlier_versions_have_the_text_alone() -> None:
    plan = planned("@daily", NOTHING)
    recorded = plan.model_dump(mode="json") | {"schedule": "@daily"}

    assert Plan.model_validate(recorded) == plan


def test_it_reads_as_one_line() -> None:
    schedule = Schedule(cron="@daily", overlap="allow_all", catchup="none", jitter="5m", paused=True)

    assert str(planned("@daily", NOTHING).schedule) == "@daily"
    assert str(planned(schedule, NOTHING).schedule) == (
        "@daily (UTC), overlap allow_all, catch-up none, jitter 5m, paused"
    )
