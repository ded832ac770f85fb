"""What changes of the clocks do to times of day, whatever the server makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from moose_lib.operations.clock_changes import ClockChange, Effect, clock_changes, effect_of

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
FORWARD = ClockChange(moment=datetime(2027, 3, 28, 1, tzinfo=UTC), before=HOUR, after=2 * HOUR)
BACK = ClockChange(moment=datetime(2027, 10, 31, 1, tzinfo=UTC), before=2 * HOUR, after=HOUR)


def utc(hour: int, minute: int) -> datetime:
    return datetime(2027, 10, 31, hour, minute, tzinfo=UTC)


def test_the_changes_of_a_year_are_found_to_the_minute() -> None:
    found = clock_changes(BERLIN, datetime(2027, 1, 1, 5, 17, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))

    assert list(found) == [FORWARD, BACK]
    assert (FORWARD.is_forward, BACK.is_forward) == (True, False)


def test_zones_without_changes_and_with_half_hours() -> None:
    year = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)

    assert list(clock_changes(ZoneInfo("UTC"), *year)) == []
    assert [abs(it.after - it.before) for it in clock_changes(ZoneInfo("Australia/Lord_Howe"), *year)] == [
        timedelta(minutes=30)
    ] * 2


def test_what_does_not_exist_is_skipped() -> None:
    assert effect_of(FORWARD, ["30 2 * * *", "0 3 * * *"], []) == Effect(skipped=("02:30",))
    assert effect_of(FORWARD, ["0 12 * * *"], []) == Effect()


def test_what_comes_twice_runs_once_or_twice() -> None:
    assert effect_of(BACK, ["30 2 * * *"], [utc(1, 30)]) == Effect(once=("02:30",))
    assert effect_of(BACK, ["30 2 * * *"], [utc(0, 30), utc(1, 30)]) == Effect(twice=("02:30",))


def test_what_the_server_leaves_out_is_named() -> None:
    assert effect_of(BACK, ["30 2,3 * * *"], []) == Effect(left_out=("02:30", "03:30"))
    assert effect_of(BACK, ["30 3 * * *"], [utc(2, 30)]) == Effect()
    assert effect_of(BACK, ["30 3 * * mon"], []) == Effect()  # it is a Sunday
