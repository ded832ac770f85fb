"""Statements for tables, and what a table has otherwise than declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from moose_lib import OlapConfig
from moose_lib.ingest.clickhouse.ddl import (
    FoundTable,
    WantedTable,
    additions,
    create_statement,
    differences,
    quoted,
    wanted_table,
)
from moose_lib.ingest.columns import Kind
from moose_lib.plan.endpoints import TablePlan

COLUMNS = {"user": "String", "kind": "LowCardinality(Nullable(String))", "_id": "Int64"}
COLUMNS["_ingested_at"] = "DateTime64(6, 'UTC')"
FOUND = FoundTable(
    columns=COLUMNS,
    engine="MergeTree",
    engine_full="MergeTree ORDER BY user SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192",
    sorting_key="user",
    partition_key="",
    primary_key="user",
    sampling_key="",
)
SHARED = {"engine": "SharedMergeTree", "engine_full": "SharedMergeTree('/x', '{replica}') ORDER BY user"}
REPLICATED = {"engine": "ReplicatedMergeTree", "engine_full": "ReplicatedMergeTree('/x', '{r}') ORDER BY user"}


class View(BaseModel):
    user: str
    kind: Literal["a"] | None = None


def wanted(stored: dict[str, Kind] | None = None, **config: Any) -> WantedTable:  # Any: of OlapConfig
    given: dict[str, Any] = {"order_by_fields": ["user"], **config}  # Any: as above
    plan = TablePlan(name="Views", model=View, config=OlapConfig(**given))
    return wanted_table(plan, "shop", stored or {})


def told(found: FoundTable, **config: Any) -> list[str]:  # Any: as above
    return differences(wanted(**config), found, str)


def test_a_table_is_made_with_all_that_was_declared() -> None:
    statement = create_statement(
        wanted(
            engine="ReplicatedReplacingMergeTree('/x', '{replica}', user)",
            order_by_fields=["user", "kind"],
            partition_by="kind",
            primary_key_expression="user",
            sample_by_expression="user",
            ttl="_ingested_at + INTERVAL 1 DAY",
            cluster="main",
            database="other",
            settings={"index_granularity": "1024", "storage_policy": "it's cold", "flag": "true"},
        )
    )

    assert statement.splitlines() == [
        "CREATE TABLE IF NOT EXISTS `other`.`Views` ON CLUSTER `main`",
        "(",
        "    `user` String,",
        "    `kind` LowCardinality(Nullable(String)),",
        "    `_id` Int64,",
        "    `_ingested_at` DateTime64(6, 'UTC')",
        ")",
        "ENGINE = ReplicatedReplacingMergeTree('/x', '{replica}', user)",
        "PARTITION BY kind",
        "PRIMARY KEY user",
        "ORDER BY (`user`, `kind`)",
        "SAMPLE BY user",
        "TTL _ingested_at + INTERVAL 1 DAY",
        "SETTINGS allow_nullable_key = 1, index_granularity = 1024, storage_policy = 'it\\'s cold', flag = true",
    ]


def test_a_field_that_is_gone_has_a_column_for_the_rows_that_still_have_it() -> None:
    statement = create_statement(wanted(stored={"user": Kind.TEXT, "old": Kind.INTEGER}))

    assert "    `old` Nullable(Int64)" in statement


def test_what_is_as_declared_has_no_differences() -> None:
    assert told(FOUND) == []
    assert additions(wanted(), FOUND) == []


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ({"sorting_key": "user, f(at)"}, {"order_by_fields": [], "order_by_expression": "(user,f( at ))"}),
        ({"sorting_key": ""}, {"order_by_fields": []}),
        ({"sorting_key": "(user)"}, {}),
        (SHARED, {}),
        (REPLICATED, {"engine": "MergeTree()"}),
        ({"columns": COLUMNS | {"user": "LowCardinality(Nullable(String))"}}, {}),
        ({"columns": COLUMNS | {"more": "Int8"}}, {}),
    ],
)  # fmt: skip
def test_what_makes_no_difference_is_none(change: dict[str, Any], config: dict[str, Any]) -> None:
    assert told(replace(FOUND, **change), **config) == []


@pytest.mark.parametrize(
    ("change", "config", "text"),
    [
        ({"columns": COLUMNS | {"user": "Int64"}}, {}, "column user is Int64, wants String"),
        ({"columns": COLUMNS | {"kind": "String"}}, {}, f"column kind is String, wants {COLUMNS['kind']}"),
        ({"engine": "Log", "engine_full": "Log"}, {}, "engine is Log, wants MergeTree"),
        ({}, {"engine": "ReplacingMergeTree(user)"}, "engine is MergeTree, wants ReplacingMergeTree(user)"),
        ({}, {"engine": "ReplicatedMergeTree('/x', 'y')"}, "engine is MergeTree, wants ReplicatedMergeTree('/x', 'y')"),
        ({}, {"order_by_fields": ["kind", "user"]}, "order is user, wants (`kind`, `user`)"),
        ({}, {"partition_by": "kind"}, "partition is nothing, wants kind"),
        ({"partition_key": "kind"}, {}, "partition is kind, wants "),
        ({}, {"primary_key_expression": "(user, kind)"}, "primary key is user, wants (user, kind)"),
        ({"sampling_key": "user"}, {"sample_by_expression": "kind"}, "sampling key is user, wants kind"),
    ],
)  # fmt: skip
def test_what_only_somebody_can_decide_is_told(change: dict[str, Any], config: dict[str, Any], text: str) -> None:
    assert told(replace(FOUND, **change), **config) == [text]


def test_the_server_s_own_way_to_write_an_expression_is_no_difference() -> None:
    found = replace(FOUND, sorting_key="user, toIntervalDay(1)")
    table = wanted(order_by_fields=[], order_by_expression="(user, INTERVAL 1 DAY)")

    assert differences(table, found, {"(user, INTERVAL 1 DAY)": "(user, toIntervalDay(1))"}.__getitem__) == []


def test_columns_are_added_with_null_in_the_rows_of_before() -> None:
    found = replace(FOUND, columns={"user": "String", "_id": "Int64"})

    assert additions(wanted(cluster="main"), found) == [
        (
            "table Views: column kind will be added",
            f"ALTER TABLE `shop`.`Views` ON CLUSTER `main` ADD COLUMN IF NOT EXISTS `kind` {COLUMNS['kind']}",
        ),
        (
            "table Views: column _ingested_at will be added",
            "ALTER TABLE `shop`.`Views` ON CLUSTER `main` ADD COLUMN IF NOT EXISTS `_ingested_at` DateTime64(6, 'UTC')",
        ),
    ]


def test_a_table_that_remembers_no_batches_learns_to() -> None:
    found = replace(FOUND, engine_full="MergeTree ORDER BY user")

    assert additions(wanted(), found) == [
        (
            "table Views: it will remember the last 1000 batches",
            "ALTER TABLE `shop`.`Views` MODIFY SETTING non_replicated_deduplication_window = 1000",
        )
    ]
    assert additions(wanted(), replace(found, engine="ReplicatedMergeTree")) == []


def test_the_table_of_somebody_else_needs_the_columns_of_the_model_and_no_more() -> None:
    found = replace(FOUND, columns={"user": "FixedString(3)"}, engine="Distributed", engine_full="Distributed()")

    assert told(found, life_cycle="EXTERNALLY_MANAGED") == ["column kind is not there"]
    assert additions(wanted(life_cycle="EXTERNALLY_MANAGED"), found) == []


def test_names_are_quoted() -> None:
    assert quoted("a`b\\") == "`a\\`b\\\\`"
