"""Rows that ClickHouse refuses go to the dead letters; nobody else waits for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, Field
from tests.clickhouse.conftest import ClickHouseProcess
from tests.clickhouse.moving import yard

from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig
from moose_lib.dmv2 import _registry
from moose_lib.ingest.letters import replay


class Click(BaseModel):
    number: int
    user: str = Field(default="nobody", alias="userName")
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    day: date | None = None


def click(number: int, **more: object) -> Click:
    return Click.model_validate({"number": number, **more})


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    IngestPipeline[Click]("Clicks", IngestPipelineConfig(table=OlapConfig(order_by_fields=["number"])))
    IngestPipeline[Click]("Others", IngestPipelineConfig(table=OlapConfig(order_by_fields=["number"])))
    yield
    _registry.clear()


async def test_refused_rows_are_found_in_the_midst_and_all_others_arrive(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """Each with the server's reason and only its own record, as somebody sent it."""
    async with yard(tmp_path, clickhouse) as it:
        await it.made()
        clickhouse.run(f"ALTER TABLE {it.database}.Clicks ADD CONSTRAINT small CHECK number % 400 != 7")
        await it.put("Clicks", [click(number, userName="é") for number in range(1500)])
        await it.all_moved("Clicks")

        letters = it.letters("Clicks")
        assert [json.loads(letter.record) for letter in letters] == [
            {"number": number, "userName": "é", "at": "2026-01-01T00:00:00.000000Z", "day": None}
            for number in (7, 407, 807, 1207)
        ]
        assert {(it.source, it.queue, it.error_type) for it in letters} == {
            ("table", "ClicksDeadLetterQueue", "VIOLATED_CONSTRAINT")
        }
        assert "Constraint `small`" in letters[0].error_message
        assert "number = 7" in letters[0].error_message
        assert it.rows("SELECT count(), uniqExact(number) FROM {db}.Clicks") == [[1496, 1496]]
        assert (it.move("Clicks").moved, it.move("Clicks").refused) == (1496, 4)
        await it.until(lambda: it.metric('moose_clickhouse_moved_rows_total{table="Clicks"}') == 1496, "counted")
        assert it.metric('moose_clickhouse_refused_rows_total{table="Clicks"}') == 4


async def test_a_batch_of_nothing_but_refused_rows_ends(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    async with yard(tmp_path, clickhouse) as it:
        await it.made()
        clickhouse.run(f"ALTER TABLE {it.database}.Clicks ADD CONSTRAINT none CHECK number < 0")
        await it.put("Clicks", [click(number) for number in range(40)] + [click(-1)])
        await it.all_moved("Clicks")

        assert len(it.letters("Clicks")) == 40
        assert it.rows("SELECT number FROM {db}.Clicks") == [[-1]]


async def test_letters_are_stored_after_all_once_the_table_takes_them(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """A replay brings them into the store again, and from there they move as all others."""
    async with yard(tmp_path, clickhouse) as it:
        await it.made()
        clickhouse.run(f"ALTER TABLE {it.database}.Clicks ADD CONSTRAINT small CHECK number < 3")
        await it.put("Clicks", [click(number) for number in range(5)])
        await it.all_moved("Clicks")
        assert replay(it.path, it.endpoint("Clicks")).stored == 2
        await it.until(lambda: len(it.letters("Clicks")) == 2, "refused again")

        clickhouse.run(f"ALTER TABLE {it.database}.Clicks DROP CONSTRAINT small")
        assert replay(it.path, it.endpoint("Clicks")).stored == 2
        await it.until(lambda: it.rows("SELECT count() FROM {db}.Clicks") == [[5]], "all there")

        assert it.rows("SELECT number FROM {db}.Clicks ORDER BY number") == [[0], [1], [2], [3], [4]]


async def test_what_clickhouse_would_change_without_a_word_is_refused(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """It takes the year 9999 for 2299."""
    async with yard(tmp_path, clickhouse) as it:
        late = datetime(9999, 12, 31, tzinfo=UTC)
        await it.put("Clicks", [click(1, at=late), click(2), click(3, day=date(1899, 12, 31))])
        await it.all_moved("Clicks")

        assert [(letter.error_type, letter.error_message) for letter in it.letters("Clicks")] == [
            (
                "UnfitValue",
                (
                    "at: 9999-12-31T00:00:00.000000Z is outside of 1900-01-01 to 2299-12-31, which"
                    " DateTime64(6, 'UTC') keeps"
                ),
            ),
            ("UnfitValue", "day: 1899-12-31 is outside of 1900-01-01 to 2299-12-31, which Date32 keeps"),
        ]
        assert it.rows("SELECT number FROM {db}.Clicks") == [[2]]


async def test_a_table_in_trouble_is_no_trouble_of_another_one(
    tmp_path: Path, clickhouse: ClickHouseProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once when it begins, and once when it ends."""
    caplog.set_level(logging.WARNING, logger="moose_lib")
    async with yard(tmp_path, clickhouse) as it:
        await it.made()
        clickhouse.run(
            f"CREATE TABLE {it.database}.broken (x Int8, CONSTRAINT no CHECK x < 0) ENGINE = MergeTree ORDER BY x"
        )
        view = f"CREATE MATERIALIZED VIEW {it.database}.view TO {it.database}.broken AS SELECT 1 AS x FROM"
        clickhouse.run(f"{view} {it.database}.Clicks")
        await it.put("Clicks", [click(1)])
        await it.put("Others", [click(2)])
        await it.all_moved("Others")
        move = await it.is_state("Clicks", "blocked")
        assert it.waiting("Clicks") == 1
        assert move.hint == "a view that reads from the table fails: repair or drop it"
        await it.until(lambda: it.troubles == {"Clicks": move.error}, "told by the server")
        assert it.metric('moose_clickhouse_waiting_rows{table="Clicks"}') == 1
        assert it.metric('moose_clickhouse_lag_seconds{table="Clicks"}') > 0
        assert it.metric('moose_clickhouse_failures_total{kind="blocked",table="Clicks"}') > 0

        clickhouse.run(f"DROP TABLE {it.database}.view")
        await it.all_moved("Clicks")
        assert (await it.is_state("Clicks", "moving")).error is None

    assert it.letters("Clicks") == []
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("the rows of Clicks wait for ClickHouse: Constraint `no`")
    assert told[1] == "ClickHouse takes the rows of Clicks again"


async def test_a_table_that_somebody_dropped_is_made_again(tmp_path: Path, clickhouse: ClickHouseProcess) -> None:
    async with yard(tmp_path, clickhouse) as it:
        await it.put("Clicks", [click(1)])
        await it.made()
        await it.all_moved()
        clickhouse.run(f"DROP TABLE {it.database}.Clicks")
        await it.put("Clicks", [click(2)])
        await it.all_moved("Clicks")

        assert it.rows("SELECT number FROM {db}.Clicks") == [[2]]


async def test_texts_that_are_not_what_a_column_wants_are_refused_by_the_server(
    tmp_path: Path, clickhouse: ClickHouseProcess
) -> None:
    """Here of a table that somebody else has made."""
    _registry.clear()
    config = OlapConfig(life_cycle="EXTERNALLY_MANAGED")
    IngestPipeline[Click]("Clicks", IngestPipelineConfig(table=config))
    settings = clickhouse.settings()
    clickhouse.run(f"CREATE DATABASE {settings.db_name}")
    columns = "number Int64, user UUID, at DateTime64(3, 'UTC'), day Nullable(Date32)"
    clickhouse.run(f"CREATE TABLE {settings.db_name}.Clicks ({columns}) ENGINE = MergeTree ORDER BY number")
    good = "61f0c404-5cb3-11e7-907b-a6006ad3dba0"
    async with yard(tmp_path, clickhouse, settings=settings) as it:
        await it.put("Clicks", [click(number, userName="me" if number in (3, 70) else good) for number in range(100)])
        await it.all_moved()

        letters = it.letters("Clicks")
        assert [letter.error_type for letter in letters] == ["CANNOT_PARSE_UUID"] * 2
        assert letters[0].error_message.endswith(": (while reading the value of key user) (CANNOT_PARSE_UUID)")
        assert [json.loads(letter.record)["number"] for letter in letters] == [3, 70]
        assert it.rows("SELECT count() FROM {db}.Clicks") == [[98]]
