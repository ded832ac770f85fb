"""Records move on to ClickHouse: the same code, one section in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.clickhouse.conftest import ClickHouseProcess, clickhouse, engine
from tests.clickhouse.serving import config_text, eventually
from tests.guide.serving import post, serving_shop

__all__ = ["clickhouse", "engine"]

SHOP = """\
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, Field

from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig

class Order(BaseModel):
    order_id: str
    total: Decimal = Field(max_digits=12, decimal_places=2)
    at: datetime

table = OlapConfig(order_by_fields=["order_id", "at"], partition_by="toYYYYMM(at)")
IngestPipeline[Order]("Orders", IngestPipelineConfig(table=table))
"""
ORDERS = [
    {"order_id": "1", "total": "1.10", "at": "2026-01-01T10:00:00"},
    {"order_id": "2", "total": "2.00", "at": "2026-02-01T10:00:00"},
]


@pytest.fixture
def shop(tmp_path: Path, clickhouse: ClickHouseProcess) -> Iterator[Cli]:
    """The file above with `moose-cli serve shop.py`, and a ClickHouse in `[clickhouse_config]`."""
    (tmp_path / "moose.config.toml").write_text(config_text(clickhouse.settings()), encoding="utf-8")
    with serving_shop(tmp_path, SHOP) as shop:
        yield shop


def table_of(shop: Cli) -> dict[str, object]:
    (table,) = shop("status", "--json").document["tables"]
    found: dict[str, object] = table
    return found


def test_what_was_posted_is_asked_of_clickhouse(shop: Cli) -> None:
    """An answer of SUCCESS still means that it is on disk here; a moment later it is there."""
    assert post(shop, ORDERS) == "SUCCESS"
    eventually(lambda: table_of(shop)["moved"] == 2)

    done = shop("query", "SELECT toMonth(at) AS month, sum(total) AS sum FROM Orders GROUP BY month ORDER BY month")
    assert done.out.splitlines() == ["month  sum", "1      1.10", "2      2.00"]


def test_clickhouse_may_be_away(shop: Cli, clickhouse: ClickHouseProcess) -> None:
    """`status` says what waits and why; nothing is lost, and nothing is to be done."""
    clickhouse.kill()
    assert post(shop, ORDERS) == "SUCCESS"
    eventually(lambda: table_of(shop)["state"] == "retrying")
    assert table_of(shop)["waiting"] == 2
    assert shop("query", "--store", "sqlite", "SELECT count(*) AS n FROM Orders").out.splitlines() == ["n", "2"]

    clickhouse.start()
    eventually(lambda: table_of(shop)["state"] == "moving" and table_of(shop)["waiting"] == 0)
    assert shop("query", "SELECT count() AS n FROM Orders").out.splitlines() == ["n", "2"]
