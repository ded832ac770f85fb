"""Rows made column by column are those that are made one by one."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from moose_lib.ingest.bulk import rows_of
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.errors import UnstorableRecord


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Plain(BaseModel):
    text: str
    number: int
    share: float
    flag: bool
    amount: Decimal
    at: datetime
    day: date
    clock: time
    took: timedelta
    key: UUID
    raw: bytes
    colour: Colour
    kind: Literal["a", "b"]
    note: str | None = None
    count: int | None = None
    seen: datetime | None = None


class Nested(Plain):
    more: list[int] = []


ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(0), "GMT")])
MOMENTS = st.datetimes(timezones=ZONES)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "number": st.integers(),
    "share": st.floats(),
    "flag": st.booleans(),
    "amount": st.decimals(allow_nan=False),
    "at": MOMENTS,
    "day": st.dates(),
    "clock": st.times(),
    "took": st.timedeltas(),
    "key": st.uuids(),
    "raw": st.binary(),
    "colour": st.sampled_from(Colour),
    "kind": st.sampled_from(["a", "b"]),
    "note": st.none() | st.text(st.characters()),
    "count": st.none() | st.integers(),
    "seen": st.none() | MOMENTS,
}


def one_by_one(maker: RowMaker, records: list[Any]) -> list[Any] | str:
    try:
        return [maker.row(record) for record in records]
    except UnstorableRecord as error:
        return error.message


def together(maker: RowMaker, records: list[Any]) -> list[Any] | str:
    try:
        return rows_of(maker, records)
    except UnstorableRecord as error:
        return error.message


@pytest.mark.parametrize("model", [Plain, Nested])
@given(values=st.lists(st.fixed_dictionaries(FIELDS), min_size=1, max_size=8))
def test_both_ways_agree(model: type[Plain], values: list[dict[str, Any]]) -> None:
    """Cells, their types, and which value cannot be kept."""
    maker = RowMaker(model)
    records = [model.model_construct(**it) for it in values]

    expected, found = one_by_one(maker, records), together(maker, records)

    assert found == expected
    assert [[type(cell) for cell in row] for row in found] == [[type(cell) for cell in row] for row in expected]


def test_one_value_that_cannot_be_kept_is_found_among_many() -> None:
    class Weight(BaseModel):
        grams: float
        at: datetime | None = None

    maker = RowMaker(Weight)
    good = [Weight(grams=number) for number in range(9)]

    assert rows_of(maker, good) == [(float(number), None) for number in range(9)]
    with pytest.raises(UnstorableRecord, match="grams: nan cannot be kept"):
        rows_of(maker, [*good, Weight(grams=math.nan)])
