"""Schedules and their times as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from moose_lib.cli.schedule_rows import hidden_text
from moose_lib.cli.schedule_text import (
    change_document,
    change_line,
    change_notes,
    clock_text_of,
    held_back_text,
    in_text,
    next_text,
    started_text,
    take_over_hints,
    zone_text,
)
from moose_lib.operations.clock_changes import ClockChange, Effect
from moose_lib.operations.schedule_records import Change, ChangeKind, DeployedSchedule, Owner, ScheduledAction
from moose_lib.operations.schedule_rows import state_of
from moose_lib.plan.schedule import PlannedSchedule

NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
OWNER = Owner(project="shop", task_queue="moose")
DAILY = PlannedSchedule(text="@daily", crons=("0 0 * * *",), timezone="Europe/Berlin")


def there(declared: PlannedSchedule | None, *, is_paused: bool = False) -> DeployedSchedule:
    return DeployedSchedule(
        workflow="W",
        declared=declared,
        owner=None if declared is None else OWNER,
        task_queue="moose",
        is_paused=is_paused,
        note="",
        next_times=(),
        recent=(),
        open_runs=(),
        created=NOW,
        updated=None,
        started=0,
        missed=0,
        skipped=0,
        waiting=0,
    )


def test_a_time_has_its_zone_and_offset() -> None:
    assert zone_text(NOW) == "2027-01-02 03:04:05 +00:00"
    assert zone_text(NOW, "America/St_Johns") == "2027-01-01 23:34:05 -03:30"


def test_how_far_away_a_time_is() -> None:
    assert in_text(NOW + timedelta(hours=3), NOW) == "in 3h 0m 0s"
    assert in_text(NOW + timedelta(days=12, hours=3), NOW) == "in 12 days"
    assert in_text(NOW - timedelta(seconds=1), NOW) == "now"
    assert in_text(NOW, NOW) == "now"
    assert in_text(NOW - timedelta(hours=3), NOW) == "3h 0m 0s ago"
    assert in_text(NOW - timedelta(days=12), NOW) == "12 days ago"


def test_the_next_time_or_why_there_is_none() -> None:
    assert next_text(NOW, "UTC", is_paused=False) == "next 2027-01-02 03:04:05 +00:00"
    assert next_text(NOW, "UTC", is_paused=True) == "paused"
    assert next_text(None, "UTC", is_paused=False) == "never fires again"


def test_schedules_of_others_are_counted() -> None:
    """The command shows them."""
    assert hidden_text(1) == "1 schedule of others is not shown: moose-cli schedule list --all"
    assert hidden_text(7) == "7 schedules of others are not shown: moose-cli schedule list --all"


def test_states() -> None:
    other = DAILY.model_copy(update={"overlap": "allow_all"})
    assert state_of(DAILY, None, project="shop") == "not deployed"
    assert state_of(DAILY, there(None), project="shop") == "foreign"
    assert state_of(DAILY, there(DAILY), project="three") == "foreign"
    assert state_of(None, there(DAILY), project="shop") == "not declared"
    assert state_of(DAILY, there(other), project="shop") == "differs"
    assert state_of(DAILY, replace(there(DAILY), drifted=("times",)), project="shop") == "differs"
    assert state_of(DAILY, there(DAILY, is_paused=True), project="shop") == "paused"
    assert state_of(None, there(DAILY), project=None) == "active"


def test_what_holds_a_schedule_back() -> None:
    """An earlier run may have ended in between."""
    begin, end = "no run of 'W' has started: ", " is open, and the schedule's overlap makes it wait or skip"
    assert held_back_text("W", ["W-1", "W-2"]) == f"{begin}W-1, W-2{end}"
    assert held_back_text("W", []) == f"{begin}an earlier run{end}"


def test_who_has_started_a_triggered_run() -> None:
    action = ScheduledAction(scheduled=NOW, slot=NOW, started=NOW, workflow_id="W-1", run_id="r1")
    assert started_text("W", action) == "'W' started by its schedule."
    assert started_text("W", replace(action, is_shared=True)) == (
        "'W' was started in the same second by another trigger, or its own time: one run for all of them."
    )


def test_changes() -> None:
    added = Change(kind=ChangeKind.ADDED, workflow="W", schedule=DAILY, next_time=NOW)
    removed = Change(kind=ChangeKind.REMOVED, workflow="W", schedule=DAILY)
    left = Change(kind=ChangeKind.LEFT, workflow="W", schedule=DAILY)
    foreign = Change(kind=ChangeKind.FOREIGN, workflow="W", reasons=("it is theirs",))

    assert change_line(added) == "W added, next 2027-01-02 04:04:05 +01:00"
    assert change_line(removed) == "W removed"
    assert change_notes([added, removed, left, foreign]) == [
        "the schedule of W is no longer declared but still fires; moose-cli deploy removes it",
        "the schedule of W is not deployed: it is theirs",
    ]
    owned = [replace(foreign, workflow=name, owner=Owner(project="my shop", task_queue="moose")) for name in "WX"]
    assert take_over_hints([added, foreign, *owned]) == [
        "if this project was called 'my shop' before: moose-cli deploy --take-over 'my shop' --dry-run"
    ]
    assert change_document(foreign) == {
        "name": "W",
        "change": "foreign",
        "reasons": ["it is theirs"],
        "schedule": None,
        "schedule_details": None,
        "is_paused": False,
        "next_time": None,
    }


def test_changes_of_the_clocks() -> None:
    change = ClockChange(
        moment=datetime(2027, 10, 31, 1, tzinfo=UTC), before=timedelta(hours=2), after=timedelta(hours=1)
    )
    begin = "2027-10-31: clocks in Europe/Berlin go back from 03:00 to 02:00 (+02:00 to +01:00)"
    many = tuple(f"02:{minute:02}" for minute in range(6))

    assert clock_text_of(change, Effect(), "Europe/Berlin") == begin
    assert clock_text_of(change, Effect(twice=("02:30",), left_out=many), "Europe/Berlin") == (
        f"{begin}; 02:30 comes twice and runs twice; 02:00, 02:01, 02:02, 02:03 and 2 more are left out by Temporal"
    )


def test_several_times_at_a_change_of_the_clocks_are_said_in_the_plural() -> None:
    """What happens to more than one time is one sentence, whichever way it goes."""
    change = ClockChange(
        moment=datetime(2027, 3, 28, 1, tzinfo=UTC), before=timedelta(hours=1), after=timedelta(hours=2)
    )
    two = ("02:15", "02:45")
    begin = "2027-03-28: clocks in Europe/Berlin go forward from 02:00 to 03:00 (+01:00 to +02:00); 02:15, 02:45 "
    said = {
        "do not exist and are skipped": Effect(skipped=two),
        "come twice and run twice": Effect(twice=two),
        "come twice and run once": Effect(once=two),
    }
    for text, effect in said.items():
        assert clock_text_of(change, effect, "Europe/Berlin") == begin + text
    assert clock_text_of(change, Effect(left_out=("02:15",)), "Europe/Berlin").endswith(
        "; 02:15 is left out by Temporal"
    )
