"""Tables in ClickHouse: made as declared, changed where nothing is lost, and refused where only somebody can decide."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.moving import yard

from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig
from moose_lib.dmv2 import _registry
from moose_lib.ingest.moves import note
from moose_lib.ingest.querying import reading


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    yield
    _registry.clear()


class View(BaseModel):
    user: str
    at: datetime
    count: int = 1
    kind: Literal["page", "image"] | None = None


def declare(model: type[BaseModel], config: OlapConfig | None = None, name: str = "Views") -> None:
    IngestPipeline[model](name, IngestPipelineConfig(table=config or OlapConfig()))  # type: ignore[valid-type]  # a variable, as the tests choose


async def created(tmp_path: Path, clickhouse: ClickHouseProcess, config: OlapConfig) -> dict[str, Any]:
    declare(View, config)
    async with yard(tmp_path, clickhouse) as it:
        await it.made()
        await it.put("Views", [View(user="a", at=datetime(2199, 1, 1, tzinfo=UTC))])
        await it.all_moved()
        fields = "engine, engine_full, sorting_key, partition_key, primary_key, sampling_key"
        [row] = it.rows(f"SELECT {fields} FROM system.tables WHERE database = '{{db}}'")
        assert it.rows("SELECT count() FROM {db}.Views") == [[1]]
        return dict(zip(fields.split(", "), row, strict=True))


async def test_a_table_without_an_order_has_none(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    found = await created(tmp_path, clickhouse, OlapConfig())

    assert (found["engine"], found["sorting_key"]) == ("MergeTree", "")
    assert "non_replicated_deduplication_window = 1000" in found["engine_full"]


async def test_every_option_of_the_declaration_is_in_the_table(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    config = OlapConfig(
        order_by_expression="(intHash32(count),  user, at)",
        partition_by="toYYYYMM(at)",
        primary_key_expression="(intHash32(count), user)",
        sample_by_expression="intHash32(count)",
        ttl="at + INTERVAL 90 DAY",
        engine="ReplacingMergeTree(at)",
        settings={"index_granularity": "1024"},
    )

    found = await created(tmp_path, clickhouse, config)

    assert found.pop("engine_full") == (
        "ReplacingMergeTree(at) PARTITION BY toYYYYMM(at) PRIMARY KEY (intHash32(count), user)"
        " ORDER BY (intHash32(count), user, at) SAMPLE BY intHash32(count) TTL at + toIntervalDay(90)"
        " SETTINGS non_replicated_deduplication_window = 1000, allow_nullable_key = 1, index_granularity = 1024"
    )
    assert found == {
        "engine": "ReplacingMergeTree",
        "sorting_key": "intHash32(count), user, at",
        "partition_key": "toYYYYMM(at)",
        "primary_key": "intHash32(count), user",
        "sampling_key": "intHash32(count)",
    }


async def test_fields_that_may_be_none_can_be_the_order(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    found = await created(tmp_path, clickhouse, OlapConfig(order_by_fields=["kind", "user"]))

    assert found["sorting_key"] == "kind, user"


async def test_a_table_may_be_in_a_database_of_its_own(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    settings = clickhouse.settings()
    declare(View, OlapConfig(database=f"{settings.db_name}_views"))
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [View(user="a", at=datetime(2026, 1, 1, tzinfo=UTC))])
        await it.all_moved()

        assert it.rows("SELECT user FROM {db}_views.Views") == [["a"]]
        assert it.move("Views").place == f"{settings.db_name}_views.Views"


async def test_a_server_that_starts_again_changes_nothing(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    settings = clickhouse.settings()
    declare(View, OlapConfig(order_by_expression="(user,toStartOfHour(at))", partition_by="toYYYYMM( at )"))
    for number in (1, 2):
        async with yard(tmp_path, clickhouse, settings=settings) as it:
            await it.put("Views", [View(user=str(number), at=datetime(2026, 1, 1, tzinfo=UTC))])
            await it.all_moved()
            assert (await it.is_state("Views", "moving")).error is None


async def test_a_new_field_is_a_new_column_with_nothing_in_the_rows_of_before(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """Also in rows that were stored before and move later; a field that is gone keeps what it has."""
    settings = clickhouse.settings()
    declare(View)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [View(user="a", at=at, kind="page")])
        await it.all_moved()
        clickhouse.kill()
        await it.put("Views", [View(user="b", at=at, kind="image")])

    class Longer(BaseModel):
        user: str
        at: datetime
        count: int = 1
        length: int
        tags: list[str] = []

    _registry.clear()
    declare(Longer)
    clickhouse.start()
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [Longer(user="c", at=at, length=3, tags=["x"])])
        await it.all_moved()

        assert it.rows("SELECT user, kind, length, tags FROM {db}.Views ORDER BY user") == [
            ["a", "page", None, []],
            ["b", "image", None, []],
            ["c", None, 3, ["x"]],
        ]
        assert it.letters("Views") == []


async def test_a_change_that_only_somebody_can_decide_stops_the_table_and_loses_nothing(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    settings = clickhouse.settings()
    declare(View, OlapConfig(order_by_fields=["user"]))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.made()

    class Other(BaseModel):
        user: str | None
        at: datetime
        count: int = 1
        kind: Literal["page", "image"] | None = None

    _registry.clear()
    declare(Other, OlapConfig(order_by_fields=["at"], engine="ReplacingMergeTree(at)", partition_by="count"))
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [Other(user=None, at=at)])
        move = await it.is_state("Views", "blocked")

        assert move.error == (
            f"ClickHouse has {it.database}.Views in another shape: column user is String, wants Nullable(String);"
            " engine is MergeTree, wants ReplacingMergeTree(at); order is (user), wants (`at`);"
            " partition is nothing, wants count"
        )
        assert move.hint == (
            f"ALTER TABLE `{it.database}`.`Views` MODIFY COLUMN `user` Nullable(String);"
            ' or give the new shape a version of its own: version="2"'
        )
        assert it.waiting("Views") == 1

    _registry.clear()
    declare(Other, OlapConfig(order_by_expression="at", version="2"))
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views_2", [Other(user=None, at=at)])
        await it.all_moved("Views_2")
        assert it.rows("SELECT user FROM {db}.Views_2") == [[None]]


async def test_a_type_that_was_changed_by_hand_lets_the_rows_move(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    settings = clickhouse.settings()
    declare(View)
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.made()

    class Nobody(View):
        user: str | None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]  # another shape is the point

    _registry.clear()
    declare(Nobody)
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [Nobody(user=None, at=datetime(2026, 1, 1, tzinfo=UTC))])
        move = await it.is_state("Views", "blocked")
        assert move.hint is not None
        clickhouse.run(move.hint.partition(";")[0])
        await it.all_moved()

        assert it.rows("SELECT user FROM {db}.Views") == [[None]]


async def test_a_table_of_somebody_else_is_neither_made_nor_changed(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """Its own types count: what they would not keep is refused."""
    declare(View, OlapConfig(life_cycle="EXTERNALLY_MANAGED"))
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    async with yard(tmp_path, clickhouse) as it:
        await it.put("Views", [View(user="a", at=at, count=300), View(user="b", at=at, count=7)])
        move = await it.is_state("Views", "blocked")
        assert move.error == f"ClickHouse has {it.database}.Views in another shape: the table is not there"
        clickhouse.run(f"CREATE DATABASE {it.database}")
        columns = "user String, at DateTime('Europe/Berlin'), count UInt8, made DateTime DEFAULT now()"
        clickhouse.run(f"CREATE TABLE {it.database}.Views ({columns}) ENGINE = MergeTree ORDER BY user")
        await it.until(lambda: "kind" in (it.move("Views").error or ""), "the missing column is told")
        assert it.waiting("Views") == 2
        clickhouse.run(f"ALTER TABLE {it.database}.Views ADD COLUMN kind Nullable(String)")
        await it.all_moved()

        assert it.rows("SELECT user, toString(at), count FROM {db}.Views") == [["b", "2026-01-01 13:00:00", 7]]
        assert [letter.error_message for letter in it.letters("Views")] == ["count: 300 does not fit UInt8"]


async def test_a_state_of_before_is_told_until_there_is_another(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """It is kept in the file, so that it can be asked without a server."""
    declare(View)
    async with yard(tmp_path, clickhouse) as it:
        await it.made()
        await it.store.run(note("Views", "blocked", "it was so", None))
        with reading(it.path) as connection:
            assert connection.execute("SELECT state, error FROM _moose_moves").fetchone() == ("blocked", "it was so")


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


async def test_values_are_what_they_were(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    """Each kind at its limits; what is not given is NULL where it may be."""
    declare(All, name="Everything")
    async with yard(tmp_path, clickhouse) as it:
        await it.put(
            "Everything", [All.model_construct(**{**All().__dict__, name: value}) for name, value, _ in VALUES]
        )
        await it.put("Everything", [All(raw=b'\xff\x00"\\\x80')])
        await it.put("Everything", [All.model_validate({"more": {"x": 1}})])
        await it.all_moved()

        assert it.letters("Everything") == []
        types = it.rows("SELECT name, type FROM system.columns WHERE database = '{db}' ORDER BY position")
        assert {name: type_name for name, type_name in types} == TYPES
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
    declare(Number, name="Numbers")
    async with yard(tmp_path, clickhouse) as it:
        await it.put("Numbers", [Number(real=number) for number in numbers])
        await it.all_moved()

        found = [bits for (bits,) in it.rows("SELECT reinterpretAsInt64(real) FROM {db}.Numbers ORDER BY _id")]
        wrong = [abs(a - struct.unpack("<q", struct.pack("<d", b))[0]) for a, b in zip(found, numbers, strict=True)]
        assert max(wrong[: len(amounts)]) == 0
        assert max(wrong) <= 4


class Number(BaseModel):
    real: float
