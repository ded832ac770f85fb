"""Schedules as users write them: read as they are meant, or refused; never rounded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moose_lib.errors import InvalidSchedule
from moose_lib.schedules import check_schedule


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("0 0 * * *", "0 0 * * *"),
        ("  */15  9-17 * * mon-fri ", "*/15 9-17 * * mon-fri"),
        ("0 0 1,15 * *", "0 0 1,15 * *"),
        ("5/10 * * JAN,jul *", "5/10 * * JAN,jul *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 * * 7", "0 0 * * 7"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_cron_and_words_are_read(text: str, cron: str) -> None:
    found = check_schedule(text)

    assert found.crons == (cron,)
    assert found.every is None


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("@every 30s", timedelta(seconds=30)),
        ("@every 7d", timedelta(days=7)),
        ("@every 1h30m", timedelta(minutes=90)),
        ("5s", timedelta(seconds=5)),
        ("90m", timedelta(minutes=90)),
        ("36h", timedelta(hours=36)),
        ("1d", timedelta(days=1)),
        ("5 minutes", timedelta(minutes=5)),
        ("1 hour 30 minutes", timedelta(minutes=90)),
    ],
)
def test_an_interval_is_exactly_what_is_written(text: str, every: timedelta) -> None:
    """The existing Moose turns 90m into once an hour and 36h into daily."""
    found = check_schedule(text)

    assert found.every == every
    assert found.crons == ()


def test_day_of_month_with_day_of_week_fires_on_either_as_in_unix() -> None:
    """Temporal would wait for both, so the schedule becomes two."""
    assert check_schedule("0 9 1 * mon").crons == ("0 9 1 * *", "0 9 * * mon")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        (None, "not a text"),
        (300, "not a text"),
        (
            "@daly",
            "unknown word; known are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every",
        ),
        ("@every", "'' is not a duration: empty"),
        ("@every fortnight", "'fortnight' is not a duration: it does not begin with a number"),
        ("every day", "neither cron nor an interval"),
        ("daily", "neither cron nor an interval"),
        ("@every never", "an interval is one second or more"),
        ("500ms", "an interval is one second or more"),
        ("1500ms", "an interval is whole seconds"),
        ("5", "'5' is not a duration: a unit is missing, as in '5s'"),
        ("* * * *", "cron has 5 fields, this has 4"),
        *(
            (
                f"{word}=Europe/Berlin {times}",
                f"the time zone has a place of its own: Schedule(cron={times!r}, timezone='Europe/Berlin')",
            )
            for word in ("TZ", "CRON_TZ")
            for times in ("0 9 * * *", "@daily")
        ),
        ("0 0 0 * * *", "cron has 5 fields, this has 6; seconds and years are not read"),
        ("60 * * * *", "'60' is no minute from 0 to 59"),
        ("* 24 * * *", "'24' is no hour from 0 to 23"),
        ("* * 0 * *", "'0' is no day of month from 1 to 31"),
        ("* * * 13 *", "'13' is no month from 1 to 12"),
        ("* * * * 8", "'8' is no day of week from 0 to 7"),
        (
            "* * * * fri-mon",
            (
                "'fri-mon' as day of week is in the wrong order: write 'mon-fri', "
                "or 'fri-6,0-mon' to go on past the last day of week"
            ),
        ),
        ("* * * * 7-1", "'7-1' as day of week is in the wrong order: write '1-7'"),
        (
            "* 22-6 * * *",
            "'22-6' as hour is in the wrong order: write '6-22', or '22-23,0-6' to go on past the last hour",
        ),
        ("30-10/5 * * * *", "'30-10/5' as minute is in the wrong order: write '10-30/5'"),
        ("61-10 * * * *", "'61-10' is no minute from 0 to 59"),
        ("*/90 * * * *", "the step of '*/90' is longer than the minutes there are"),
        ("*/0 * * * *", "cannot read '*/0' as minute"),
        ("*-5 * * * *", "cannot read '*-5' as minute"),
        ("1,,2 * * * *", "cannot read '' as minute"),
        ("jan * * * *", "cannot read 'jan' as minute"),
        ("0 0 * * 1#2", "cannot read '1#2' as day of week"),
        ("0 0 L * *", "cannot read 'L' as day of month"),
        ("٣ 0 * * *", "cannot read '٣' as minute"),
        ("² 0 * * *", "cannot read '²' as minute"),
        ("0 0 31 2 *", "it never fires: no such day in these months"),
        ("0 0 31 4,6 *", "it never fires: no such day in these months"),
    ],
)
def test_what_is_not_a_schedule_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check_schedule(value)

    assert caught.value.value is value
    assert caught.value.message == f"{value!r} is not a schedule: {reason}"
    assert caught.value.hint == 'write "0 0 * * *" (cron), "@daily", "@every 36h" or "5m"'


@given(st.text(alphabet="0123456789*/-, @jamonevrydhs"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = check_schedule(text)
    except InvalidSchedule:
        return
    assert bool(found.crons) != (found.every is not None)
