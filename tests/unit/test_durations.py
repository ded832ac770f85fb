"""Durations as users write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moose_lib.durations import LONGEST, format_duration, parse_age, parse_duration
from moose_lib.errors import InvalidDuration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1d", 86_400),
        ("1w", 604_800),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("1h30m", 5400),
        (" 1h 30m ", 5400),
        ("5 minutes", 300),
        ("1 Hour 1 min 1 sec", 3661),
        ("2 weeks", 1_209_600),
        ("0.25s", 0.25),
    ],
)
def test_a_text_is_read_as_people_mean_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["never", "NEVER", " never "])
def test_never_is_no_limit(text: str) -> None:
    assert parse_duration(text) is None


def test_a_timedelta_is_a_duration_already() -> None:
    assert parse_duration(timedelta(minutes=5)) == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("30", "a unit is missing, as in '30s'"),
        ("1.5", "a unit is missing, as in '1.5s'"),
        ("-5", "a unit is missing, as in '-5s'"),
        ("abc", "it does not begin with a number"),
        ("-5s", "it is negative"),
        ("5s!", "cannot read '!'"),
        ("1h30", "cannot read '30'"),
        (".5s", "it does not begin with a number"),
        ("٣s", "it does not begin with a number"),
        ("5y", "unknown unit 'y'"),
        ("5m 3 minutes", "unit 'minutes' appears twice"),
        ("0s", "shorter than a millisecond"),
        ("0.1ms", "shorter than a millisecond"),
        ("1.5ms", "finer than a millisecond"),
        ("11000d", "longer than ten years"),
        ("9" * 400 + "w", "longer than ten years"),
        (30, "30 of which unit?"),
        (1.5, "1.5 of which unit?"),
        (None, "not a text"),
        (["5m"], "not a text"),
        (timedelta(0), "shorter than a millisecond"),
        (timedelta(microseconds=1500), "finer than a millisecond"),
        (timedelta(days=5000), "longer than ten years"),
    ],
)
def test_what_is_not_a_duration_is_refused_with_the_value_and_the_reason(value: object, reason: str) -> None:
    with pytest.raises(InvalidDuration) as caught:
        parse_duration(value)  # type: ignore[arg-type]  # users' values are not type-checked

    assert caught.value.value is value
    assert caught.value.message == f"{value!r} is not a duration: {reason}"
    assert caught.value.hint == 'write "30s", "5m", "1h30m", "1d" or "never"'


@pytest.mark.parametrize(
    ("value", "reason"), [("never", "a span of time is wanted here"), ("soon", "it does not begin with a number")]
)
def test_how_long_ago_something_was_is_not_never(value: str, reason: str) -> None:
    """And nobody is told to write that."""
    with pytest.raises(InvalidDuration) as caught:
        parse_age(value)

    assert caught.value.message == f"{value!r} is not a duration: {reason}"
    assert caught.value.hint == 'write "30s", "5m", "1h30m" or "1d"'
    assert parse_age("1h") == timedelta(hours=1)


@given(st.integers(1, LONGEST // timedelta(milliseconds=1)))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (None, "never"),
        (timedelta(0), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=8, milliseconds=250), "1w1d250ms"),
    ],
)
def test_a_duration_is_written_short(duration: timedelta | None, text: str) -> None:
    assert format_duration(duration) == text


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever somebody types, nothing but InvalidDuration comes out of it."""
    try:
        found = parse_duration(text)
    except InvalidDuration:
        return
    assert found is None or timedelta(0) < found <= LONGEST
