"""Cells as JSON for a column, and the values that it would change without a word."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moose_lib.ingest.clickhouse.cells import Unfit, encoder
from moose_lib.ingest.columns import Kind


def encoded(kind: Kind, type_name: str, cell: Any) -> Any:  # Any: a cell, JSON
    encode = encoder(kind, type_name)
    return cell if encode is None else encode(cell)


@pytest.mark.parametrize(
    ("kind", "type_name", "cell", "expected"),
    [
        (Kind.TEXT, "String", "a", "a"),
        (Kind.INTEGER, "Int64", 2**63 - 1, 2**63 - 1),
        (Kind.INTEGER, "Int32", -(2**31), -(2**31)),
        (Kind.INTEGER, "Nullable(UInt8)", 255, 255),
        (Kind.BOOLEAN, "Bool", 1, True),
        (Kind.BOOLEAN, "UInt8", 1, 1),
        (Kind.REAL, "Float64", float("-inf"), "-inf"),
        (Kind.REAL, "Float64", 0.1, 0.1),
        (Kind.BYTES, "String", b"a\xff", "a\udcff"),
        (Kind.JSON, "String", "[1]", "[1]"),
        (Kind.JSON, "Array(Int64)", "[1, [2]]", [1, [2]]),
        (Kind.JSON, "JSON", '{"a": 1}', {"a": 1}),
        (Kind.DECIMAL, "String", "1.10", "1.10"),
        (Kind.DECIMAL, "Decimal(10, 2)", "1E+2", "100"),
        (Kind.DECIMAL, "Nullable(Decimal(10, 2))", "-1.1000", "-1.10"),
        (Kind.DECIMAL, "Decimal(10, 0)", "5.0", "5"),
        (Kind.DATETIME, "DateTime64(6, 'UTC')", "2299-12-31T23:59:59.999999Z", "2299-12-31T23:59:59.999999Z"),
        (Kind.DATETIME, "String", "9999-12-31T00:00:00.000000Z", "9999-12-31T00:00:00.000000Z"),
        (Kind.DATE, "Date", "2149-06-06", "2149-06-06"),
    ],
)
def test_a_cell_is_what_the_column_reads(kind: Kind, type_name: str, cell: Any, expected: Any) -> None:
    assert encoded(kind, type_name, cell) == expected


@pytest.mark.parametrize(
    ("kind", "type_name", "cell", "reason"),
    [
        (Kind.INTEGER, "Int32", 2**31, "2147483648 does not fit Int32"),
        (Kind.INTEGER, "UInt64", -1, "-1 does not fit UInt64"),
        (Kind.JSON, "Array(Int64)", f"[{2**63}]", "9223372036854775808 does not fit 64 bits"),
        (Kind.DECIMAL, "Decimal(10, 2)", "1.239", "1.239 has more than the 2 decimal places of Decimal(10, 2)"),
        (Kind.DECIMAL, "Decimal(10, 2)", "1E-3", "1E-3 has more than the 2 decimal places of Decimal(10, 2)"),
        (Kind.DATE, "Date", "1969-12-31", "1969-12-31 is outside of 1970-01-01 to 2149-06-06, which Date keeps"),
        (
            Kind.DATETIME,
            "DateTime",
            "2107-01-01T00:00:00.000000Z",
            "2107-01-01T00:00:00.000000Z is outside of 1970-01-01 to 2106-02-06, which DateTime keeps",
        ),
    ],
)
def test_what_would_be_changed_is_refused(kind: Kind, type_name: str, cell: Any, reason: str) -> None:
    with pytest.raises(Unfit) as refused:
        encoded(kind, type_name, cell)

    assert str(refused.value) == reason


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_a_decimal_is_the_same_number_or_refused(number: Decimal) -> None:
    try:
        text = encoded(Kind.DECIMAL, "Decimal(20, 2)", str(number))
    except Unfit:
        assert number != round(number, 2)
    else:
        assert Decimal(text) == number
