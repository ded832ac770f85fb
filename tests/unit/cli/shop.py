"""A shop with endpoints and a store, for the tests of commands about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.reading import RecordReader
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch, RejectedRecord
from moose_lib.project.loader import find_project, load_project

SHOP = """\
from decimal import Decimal
from pydantic import BaseModel
from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig, OlapTable

class Order(BaseModel):
    order_id: str
    total: {total}
    paid: bool = False
    items: list[str] = []
    note: str | None = None
    {more}

IngestPipeline[Order]("Orders", IngestPipelineConfig(table=OlapConfig(order_by_fields=["order_id"])))
IngestPipeline[Order]("Orders", IngestPipelineConfig(version="1.2"))
IngestPipeline[Order]("Orders", IngestPipelineConfig(version="1.10"))
OlapTable[Order]("Loose")
"""


def write_shop(folder: Path, *, total: str = "Decimal", more: str = "") -> None:
    (folder / "app" / "main.py").write_text(SHOP.format(total=total, more=more), encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moose.config.toml").write_text("", encoding="utf-8")
    (tmp_path / "app").mkdir()
    write_shop(tmp_path)
    return tmp_path


async def put(folder: Path, key: str, records: Iterable[Mapping[str, Any]], refused: Iterable[str] = ()) -> None:
    """What the server does with a request."""
    loaded = load_project(find_project(folder))
    endpoint = next(it for it in loaded.endpoints if it.key == key)
    found = RecordReader(endpoint.model).read(json.dumps(list(records)).encode())
    batch = Batch(
        endpoint=key,
        table=endpoint.table.name,
        rows=[RowMaker(endpoint.model).row(it) for it in found.accepted],
        rejected=[RejectedRecord(text=it, error_type="ValidationError", message="total: is bad") for it in refused],
        queue="OrdersDeadLetterQueue",
    )
    with SqliteStore(loaded.project.settings.store_path, loaded.tables.values()) as store:
        await store.put(batch)


@pytest.fixture
async def filled(shop: Path) -> Path:
    await put(shop, "Orders", [{"order_id": "1", "total": "1.10", "items": ["a", "b"]}, {"order_id": "2", "total": 7}])
    return shop
