"""Cells of the store as JSON for a ClickHouse column, refused where ClickHouse would change them without a word.

It takes 2300-01-01 as 2299-12-31 into a `DateTime64`, cuts the places of a `Decimal` that it has no room for, and lets
an integer overflow. What it refuses itself is not looked at here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from moose_lib.ingest.clickhouse.types import bare
from moose_lib.ingest.columns import Kind

#: From a cell that is not NULL to what `json.dumps` takes.
Encoder = Callable[[Any], Any]  # Any: a cell of the column's kind; JSON

_INTEGER: Final = re.compile(r"(U?)Int(8|16|32|64|128|256)")
_DECIMAL: Final = re.compile(r"Decimal\((\d+), (\d+)\)")
#: The first and the last day of the types with dates.
_DAYS: Final = {
    "Date": ("1970-01-01", "2149-06-06"),
    "Date32": ("1900-01-01", "2299-12-31"),
    "DateTime": ("1970-01-01", "2106-02-06"),
    "DateTime64": ("1900-01-01", "2299-12-31"),
}


class Unfit(Exception):
    """A cell that the column would not keep as it is."""


def encoder(kind: Kind, type_name: str) -> Encoder | None:
    """What makes JSON of the cells of a column; `None` if they are JSON already."""
    name = bare(type_name)
    head = name.partition("(")[0]
    if kind in (Kind.DATE, Kind.DATETIME) and head in _DAYS:
        return _within(*_DAYS[head], name)
    if kind is Kind.DECIMAL:
        return _decimal(name)
    if kind is Kind.BOOLEAN and head == "Bool":
        return bool
    if kind in (Kind.INTEGER, Kind.BOOLEAN):
        return _integer(name)
    if kind is Kind.JSON and head != "String":
        return _checked_json if "Int" in name else json.loads
    return _OTHERS.get(kind)


def _within(first: str, last: str, name: str) -> Encoder:

    def encode(cell: str) -> str:
        if not first <= cell[:10] <= last:  # ISO texts sort as their days follow each other
            raise Unfit(f"{cell} is outside of {first} to {last}, which {name} keeps")
        return cell

    return encode


def _decimal(name: str) -> Encoder | None:
    parts = _DECIMAL.fullmatch(name)
    if parts is None:
        return None  # all digits, as a text
    places = int(parts[2])

    def encode(cell: str) -> str:
        text = format(Decimal(cell), "f")
        whole, _, fraction = text.partition(".")
        if len(fraction.rstrip("0")) > places:
            raise Unfit(f"{cell} has more than the {places} decimal places of {name}")
        return f"{whole}.{fraction[:places]}" if fraction[:places] else whole

    return encode


def _integer(name: str) -> Encoder | None:
    parts = _INTEGER.fullmatch(name)
    if parts is None or (not parts[1] and int(parts[2]) >= 64):
        return None
    bits = int(parts[2])
    least, most = (0, 2**bits - 1) if parts[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def encode(cell: int) -> int:
        if not least <= cell <= most:
            raise Unfit(f"{cell} does not fit {name}")
        return cell

    return encode


def _real(cell: float) -> float | str:
    """JSON has no infinity; ClickHouse reads it as a text."""
    return cell if abs(cell) != float("inf") else "inf" if cell > 0 else "-inf"


def _bytes(cell: bytes) -> str:
    """Bytes as they are: what is no UTF-8 comes back when the line is encoded with `surrogateescape`."""
    return cell.decode(errors="surrogateescape")


_OTHERS: Final[Mapping[Kind, Encoder]] = {Kind.REAL: _real, Kind.DURATION: _real, Kind.BYTES: _bytes}


def _checked_json(cell: str) -> Any:  # Any: JSON
    return json.loads(cell, parse_int=_small)


def _small(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise Unfit(f"{number} does not fit 64 bits")
    return number
