"""Tables in ClickHouse: made as declared, changed where nothing is lost, and refused where only somebody can decide."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.moving import yard

from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig
from moose_lib.dmv2 import _registry
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.moves import note
from moose_lib.ingest.querying import reading
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch
from moose_lib.plan.endpoints import compile_tables


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
    """Also in rows that were stored before and move later; a field that is gone keeps what it has, and is empty in new
    rows: NULL, or its type's default."""
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
        length: int
        tags: list[str] = []

    _registry.clear()
    declare(Longer)
    clickhouse.start()
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [Longer(user="c", at=at, length=3, tags=["x"])])
        await it.all_moved()

        assert it.rows("SELECT user, kind, count, length, tags FROM {db}.Views ORDER BY user") == [
            ["a", "page", 1, None, []],
            ["b", "image", 1, None, []],
            ["c", None, 0, 3, ["x"]],
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
    with SqliteStore(it.path, it.tables.values()) as store:
        await store.run(note("Views", "blocked", "it was so", None))
    with reading(it.path) as connection:
        assert connection.execute("SELECT state, error FROM _moose_moves").fetchone() == ("blocked", "it was so")


async def test_rows_from_before_a_field_have_nothing_there_in_a_table_that_is_made_later(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    declare(View)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with SqliteStore(tmp_path / "store.db", compile_tables(_registry.registered_tables().values()).values()) as store:
        row = RowMaker(View).row(View(user="a", at=at))
        await store.put(Batch(endpoint="Views", table="Views", rows=[row]))

    class Longer(View):
        length: int

    _registry.clear()
    declare(Longer)
    async with yard(tmp_path, clickhouse) as it:
        await it.put("Views", [Longer(user="b", at=at, length=0)])
        await it.all_moved()

        assert it.rows("SELECT user, length FROM {db}.Views ORDER BY user") == [["a", None], ["b", 0]]
        assert it.letters("Views") == []


async def test_a_file_that_was_restored_from_a_copy_gives_its_numbers_to_rows_that_arrive(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """Though ClickHouse has had batches with these numbers before."""
    settings = clickhouse.settings()
    declare(View)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for user in ("a", "b"):
        async with yard(tmp_path, clickhouse, settings=settings) as it:
            await it.put("Views", [View(user=user, at=at)])
            await it.all_moved()
        if user == "a":
            shutil.copy(it.path, tmp_path / "copy.db")
    shutil.copy(tmp_path / "copy.db", it.path)
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Views", [View(user="c", at=at)])
        await it.all_moved()

        assert it.rows("SELECT user, _id FROM {db}.Views ORDER BY user") == [["a", 1], ["b", 2], ["c", 2]]
