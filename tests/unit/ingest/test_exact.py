"""JSON that is read to be shown: what it says is what it said."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moose_lib.ingest.exact import exact_json


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "12345678901234567890.12", "1e99999999999999999999"],
)
def test_a_number_that_neither_json_nor_a_float_holds_is_its_own_text(text: str) -> None:
    assert exact_json(f'{{"total": {text}}}') == {"total": text}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_all_other_numbers_are_numbers(number: float) -> None:
    assert exact_json(json.dumps(number)) == number


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_no_digit_is_lost(text: str) -> None:
    """As a number where it is the same number, as a text otherwise."""
    found = exact_json(text)

    assert found == text or Decimal(repr(found)) == Decimal(text)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("text", ["{nonsense", r'"\ud800"', "[" * 100_000])
def test_what_cannot_be_written_again_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        exact_json(text)
