"""`Schedule(…)`: everything in it is checked when the project is loaded, and nothing is rounded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib.dmv2.schedule import Schedule
from moose_lib.errors import InvalidSchedule

ANY_SCHEDULE: Any = Schedule  # Any: mistakes that a type checker would refuse are made here on purpose

OVERLAPS = ("skip", "buffer_one", "buffer_all", "allow_all", "cancel_other", "terminate_other")


class Report(BaseModel):
    days: int


def told(**fields: object) -> list[str]:
    return [text for text, _ in ANY_SCHEDULE(**fields).findings()]


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(cron="0 0 * * *"),
        Schedule(cron="@daily", timezone="Europe/Berlin", overlap="buffer_one", catchup="none"),
        Schedule(cron=["0 9 * * mon-fri", "30 10 * * sat"], overlap="skip", catchup="all", jitter="5m", paused=True),
        Schedule(every="36h", overlap="allow_all", jitter=timedelta(minutes=1)),
        Schedule(cron=["0 8 * * *", "5 8 * * *"], jitter="2h"),
        Schedule(cron="* * * * mon", jitter="2h"),
        Schedule(every=timedelta(minutes=5), overlap="cancel_other", input=Report(days=1)),
        Schedule(every="7d", overlap="terminate_other", catchup="last", input={"days": 1}),
        Schedule(every="1h", overlap="buffer_all", timezone="UTC"),
    ],
)
def test_what_is_right_has_no_findings(schedule: Schedule) -> None:
    assert schedule.findings() == []


def test_several_crons_are_one_schedule_and_each_time_counts_once() -> None:
    """A day of month with a day of week is two expressions: either fires, as in Unix."""
    spec = Schedule(cron=["0 9 1 * mon", "0 9 1 * *", "@daily"]).spec()

    assert spec.crons == ("0 9 1 * *", "0 9 * * mon", "0 0 * * *")


def test_an_interval_is_a_text_or_a_timedelta() -> None:
    assert Schedule(every="36h").spec().every == Schedule(every=timedelta(hours=36)).spec().every == timedelta(hours=36)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "has neither cron nor every"),
        ({"cron": "@daily", "every": "5m"}, "has both cron and every"),
        ({"cron": "61 * * * *"}, "'61 * * * *' is not a schedule: '61' is no minute from 0 to 59"),
        ({"cron": ["@daily", "0 0 L * *"]}, "'0 0 L * *' is not a schedule: cannot read 'L' as day of month"),
        ({"cron": "5m"}, "'5m' is not a schedule: it is an interval; write every=… for it"),
        ({"cron": []}, "[] is not a schedule: cron is one text or a list of texts"),
        ({"cron": 5}, "5 is not a schedule: cron is one text or a list of texts"),
        ({"cron": [5]}, "5 is not a schedule: not a text"),
        ({"every": "@every 5m"}, "'@every 5m' is not a schedule: write every='5m'"),
        (
            {"every": "@daily"},
            "'@daily' is not a schedule: it is a word for times of the day; write cron='@daily'",
        ),
        ({"every": "soon"}, "'soon' is not a schedule: 'soon' is not a duration: it does not begin with a number"),
        (
            {"cron": "* * * * *", "jitter": "2h"},
            "jitter 2h is longer than the longest time between two runs, 1m",
        ),
        (
            {"cron": ["0 8 * * *", "30 20 * * *"], "jitter": "13h"},
            "jitter 13h is longer than the longest time between two runs, 12h30m",
        ),
        ({"every": 300}, "300 is not a schedule: every is a length of time"),
        (
            {"every": timedelta(milliseconds=1500)},
            "datetime.timedelta(seconds=1, microseconds=500000) is not a schedule: an interval is whole seconds",
        ),
        ({"every": timedelta()}, "datetime.timedelta(0) is not a schedule: every is a length of time"),
        ({"cron": "@daily", "timezone": "Mars/Base"}, "timezone 'Mars/Base' is unknown"),
        ({"cron": "@daily", "timezone": 1}, "timezone 1 is unknown"),
        ({"cron": "@daily", "timezone": "localtime"}, "timezone 'localtime' is unknown"),
        (
            {"every": "1d", "timezone": "Europe/Berlin"},
            "timezone 'Europe/Berlin' has no meaning with every: an interval counts from 1970-01-01 00:00 UTC",
        ),
        (
            {"cron": "@daily", "overlap": "queue"},
            "overlap 'queue' is not one of " + ", ".join(f'"{word}"' for word in OVERLAPS),
        ),
        ({"cron": "@daily", "catchup": True}, 'catchup True is not one of "none", "last", "all"'),
        ({"cron": "@daily", "jitter": "soon"}, "jitter 'soon' is not a duration: it does not begin with a number"),
        ({"cron": "@daily", "jitter": "never"}, "jitter 'never' is not a length of time"),
        ({"every": "1m", "jitter": "2m"}, "jitter 2m is longer than the interval 1m"),
        ({"cron": "@daily", "paused": "no"}, "paused 'no' is not True or False"),
        ({"cron": "@daily", "input": [1]}, "input [1] is not a model or a mapping"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(fields: dict[str, object], text: str) -> None:
    assert told(**fields) == [text]


def test_all_that_is_wrong_is_told_together() -> None:
    assert len(told(cron="61 * * * *", timezone="Mars/Base", overlap="x", catchup="y", jitter="z", paused=1)) == 6


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("Europe/Berlim", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_an_unknown_zone_comes_with_the_one_that_was_probably_meant(zone: str, meant: str) -> None:
    [(_, hint)] = Schedule(cron="@daily", timezone=zone).findings()

    assert hint == f"did you mean: {meant!r}"


def test_it_reads_as_people_write_it() -> None:
    assert str(Schedule(cron="30 6 * * mon-fri", timezone="Europe/Berlin")) == "30 6 * * mon-fri (Europe/Berlin)"
    assert str(Schedule(cron=["@daily", "0 12 * * *"])) == "@daily, 0 12 * * * (UTC)"
    assert str(Schedule(every="36h")) == "every 36h"
    assert str(Schedule(every=timedelta(hours=36))) == "every 1d12h"


def test_its_times_cannot_be_had_from_a_wrong_one() -> None:
    with pytest.raises(InvalidSchedule, match="give either cron or every"):
        Schedule().spec()


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ANY_SCHEDULE(cron="@daily").paused = True
