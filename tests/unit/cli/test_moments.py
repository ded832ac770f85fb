"""Times as people type them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest

from moose_lib.cli.moments import read_moment

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", "2027-01-31T00:00:00+01:00"),
        ("2027-07-31T06:30", "2027-07-31T06:30:00+02:00"),
        ("2027-07-31 06:30:15", "2027-07-31T06:30:15+02:00"),
        ("2027-01-31T06:30Z", "2027-01-31T06:30:00+00:00"),
        ("2027-01-31T06:30-05:00", "2027-01-31T06:30:00-05:00"),
    ],
)
def test_a_time_is_in_the_zone_unless_it_says(text: str, moment: str) -> None:
    assert read_moment(text, "Europe/Berlin", is_end=False).isoformat() == moment


def test_a_date_as_the_end_is_its_last_moment() -> None:
    """Also of a day that has 23 hours."""
    end = read_moment("2027-03-28", "Europe/Berlin", is_end=True)

    assert end == datetime(2027, 3, 29, tzinfo=BERLIN) - timedelta(milliseconds=1)
    assert read_moment("2027-03-28T00:00", "Europe/Berlin", is_end=True) == datetime(2027, 3, 28, tzinfo=BERLIN)


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "31.01.2027", "2027-01-31T25:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a date or time"):
        read_moment(text, "UTC", is_end=False)
