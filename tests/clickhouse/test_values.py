"""Every kind of value, in ClickHouse as it was."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.moving import yard

from moose_lib import IngestPipeline
from moose_lib.dmv2 import _registry


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    yield
    _registry.clear()


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Inner(BaseModel):
    price: Decimal
    at: datetime | None = None


class All(BaseModel):
    model_config = ConfigDict(extra="allow", ser_json_bytes="base64")

    text: str = ""
    integer: int = 0
    real: float = 0.0
    yes: bool = True
    money: Decimal = Field(default=Decimal(0), max_digits=20, decimal_places=4)
    places: Decimal = Field(default=Decimal(0), decimal_places=3)
    digits: Decimal = Field(default=Decimal(0), max_digits=6)
    exact: Decimal = Decimal(0)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    day: date = date(2026, 1, 1)
    clock: time = time(1, 2, 3)
    length: timedelta = timedelta()
    ident: UUID = UUID(int=0)
    raw: bytes = b""
    size: Size = Size.SMALL
    words: list[str] = []
    numbers: list[list[int]] = []
    flags: set[bool] = set()
    inner: Inner = Inner(price=Decimal(0))
    inners: list[Inner] = []
    table: dict[str, int] = {}
    anything: Any = None
    maybe: int | None = None
    perhaps: list[int] | None = None
    either: int | str = 0


TYPES = {
    "text": "String",
    "integer": "Int64",
    "real": "Float64",
    "yes": "Bool",
    "money": "Decimal(20, 4)",
    "places": "Decimal(76, 3)",
    "digits": "Decimal(12, 6)",
    "exact": "String",
    "at": "DateTime64(6, 'UTC')",
    "day": "Date32",
    "clock": "String",
    "length": "Float64",
    "ident": "UUID",
    "raw": "String",
    "size": "LowCardinality(String)",
    "words": "Array(String)",
    "numbers": "Array(Array(Int64))",
    "flags": "Array(Bool)",
    "inner": "String",
    "inners": "String",
    "table": "String",
    "anything": "Nullable(String)",
    "maybe": "Nullable(Int64)",
    "perhaps": "Nullable(String)",
    "either": "String",
    "_extra": "Nullable(String)",
    "_id": "Int64",
    "_ingested_at": "DateTime64(6, 'UTC')",
}
#: Field, value, and the text of it in ClickHouse.
VALUES: list[tuple[str, object, str]] = [
    ("text", "", ""),
    ("text", "é 😀 \n\t\\ \" ' `", "é 😀 \n\t\\ \" ' `"),
    ("text", "\x00\x01 null", "\x00\x01 null"),
    ("integer", 2**63 - 1, "9223372036854775807"),
    ("integer", -(2**63), "-9223372036854775808"),
    ("integer", 2**53 + 1, "9007199254740993"),
    ("real", 0.1, "0.1"),
    ("real", float("inf"), "inf"),
    ("real", float("-inf"), "-inf"),
    ("yes", False, "false"),
    ("money", Decimal("1234567890123456.7899"), "1234567890123456.7899"),
    ("money", Decimal("-0.0001"), "-0.0001"),
    ("money", Decimal("1.10000000"), "1.1"),
    ("money", Decimal("1E+3"), "1000"),
    ("places", Decimal("1" * 73 + ".125"), "1" * 73 + ".125"),
    ("digits", Decimal("0.000001"), "0.000001"),
    ("digits", Decimal(123456), "123456"),
    ("exact", Decimal("1.10"), "1.10"),
    ("exact", Decimal("1" * 100 + "." + "3" * 100), "1" * 100 + "." + "3" * 100),
    ("at", datetime(1900, 1, 1, tzinfo=UTC), "1900-01-01 00:00:00.000000"),
    ("at", datetime(2299, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "2299-12-31 23:59:59.999999"),
    ("at", datetime.fromisoformat("2026-06-01T12:00:00.123456+05:30"), "2026-06-01 06:30:00.123456"),
    ("at", datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC), "1969-12-31 23:59:59.500000"),
    ("day", date(1900, 1, 1), "1900-01-01"),
    ("day", date(2299, 12, 31), "2299-12-31"),
    ("clock", time(23, 59, 59, 5), "23:59:59.000005"),
    ("length", timedelta(days=1, microseconds=1), "86400.000001"),
    ("ident", UUID("61f0c404-5cb3-11e7-907b-a6006ad3dba0"), "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
    ("raw", "é".encode(), "é"),
    ("size", Size.LARGE, "l"),
    ("words", ["a", "", "é'\\"], "['a','','é\\'\\\\']"),
    ("numbers", [[1, 2**63 - 1], []], "[[1,9223372036854775807],[]]"),
    ("flags", {True}, "[true]"),
    ("inner", Inner(price=Decimal("1.10")), '{"price":"1.10","at":null}'),
    ("inners", [Inner(price=Decimal(2))], '[{"price":"2","at":null}]'),
    ("table", {"é": 2**70}, '{"é":1180591620717411303424}'),
    ("anything", [1, {"a": None}], '[1,{"a":null}]'),
    ("maybe", 0, "0"),
    ("perhaps", [1], "[1]"),
    ("either", "a", '"a"'),
]


def with_value(name: str, value: object) -> All:
    values: dict[str, Any] = {**All().__dict__, name: value}  # Any: of all types
    return All.model_construct(**values)


async def test_values_are_what_they_were(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """Each kind at its limits; what is not given is NULL where it may be."""
    IngestPipeline[All]("Everything")
    async with yard(tmp_path, clickhouse) as it:
        await it.put("Everything", [with_value(name, value) for name, value, _ in VALUES])
        await it.put("Everything", [All(raw=b'\xff\x00"\\\x80')])
        await it.put("Everything", [All.model_validate({"more": {"x": 1}})])
        await it.all_moved()

        assert it.letters("Everything") == []
        types = it.rows("SELECT name, type FROM system.columns WHERE database = '{db}' ORDER BY position")
        assert dict(types) == TYPES
        found = it.rows(
            f"SELECT {', '.join(f'toString({name})' for name, _, _ in VALUES)} FROM {{db}}.Everything ORDER BY _id"
        )
        assert [found[place][place] for place in range(len(VALUES))] == [text for _, _, text in VALUES]
        assert it.rows(
            "SELECT hex(raw), maybe, perhaps, anything, _extra FROM {db}.Everything ORDER BY _id DESC LIMIT 2"
        ) == [
            ["", None, None, None, '{"more":{"x":1}}'],
            ["FF00225C80", None, None, None, None],
        ]


async def test_floats_arrive_but_for_the_last_bits(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """ClickHouse reads the text of a number a little wrong, whoever sends it; amounts are exact."""
    source = Random(7)
    amounts = [round(source.uniform(-1e6, 1e6), 2) for _ in range(2000)]
    others = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(2000)]
    numbers = amounts + [it for it in others if it == it]
    IngestPipeline[Number]("Numbers")
    async with yard(tmp_path, clickhouse) as it:
        await it.put("Numbers", [Number(real=number) for number in numbers])
        await it.all_moved()

        found = [bits for (bits,) in it.rows("SELECT reinterpretAsInt64(real) FROM {db}.Numbers ORDER BY _id")]
        wrong = [abs(a - struct.unpack("<q", struct.pack("<d", b))[0]) for a, b in zip(found, numbers, strict=True)]
        assert max(wrong[: len(amounts)]) == 0
        assert max(wrong) <= 4


class Number(BaseModel):
    real: float
