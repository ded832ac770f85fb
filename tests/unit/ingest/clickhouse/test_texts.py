"""A row as the record that it was: what its model reads again, for a replay."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model

from moose_lib.ingest.clickhouse.texts import record_text
from moose_lib.ingest.columns import Cell, RowMaker


class Order(BaseModel):
    model_config = ConfigDict(extra="allow")

    order_id: str = Field(alias="orderId")
    total: Decimal = Field(validation_alias=AliasChoices("sum", "total"))
    at: datetime
    day: date | None = None
    paid: bool = False
    length: timedelta = timedelta()
    items: list[str] = []
    added: int = 5
    maybe: int | None = 7


def cells(record: BaseModel) -> dict[str, Cell]:
    maker = RowMaker(type(record))
    return dict(zip([column.name for column in maker.columns], maker.row(record), strict=True))


def kinds(model: type[BaseModel]) -> dict[str, Any]:  # Any: kinds
    return {column.name: column.kind for column in RowMaker(model).columns}


def text_of(record: BaseModel, without: Iterable[str] = ()) -> dict[str, Any]:  # Any: JSON
    found = {name: cell for name, cell in cells(record).items() if name not in set(without)}
    document: dict[str, Any] = json.loads(record_text(type(record), kinds(type(record)), found))
    return document


def order() -> Order:
    return Order.model_validate(
        {
            "orderId": "é",
            "sum": "1.10",
            "at": datetime(2026, 1, 1, tzinfo=UTC),
            "paid": True,
            "length": 1.5,
            "items": ["a"],
            "more": {"x": 1},
        }
    )


def test_fields_have_the_names_that_json_has() -> None:
    assert text_of(order()) == {
        "orderId": "é",
        "sum": "1.10",
        "at": "2026-01-01T00:00:00.000000Z",
        "day": None,
        "paid": True,
        "length": 1.5,
        "items": ["a"],
        "added": 5,
        "maybe": 7,
        "more": {"x": 1},
    }
    assert Order.model_validate(text_of(order())) == order()


def test_a_field_without_a_value_is_left_out_unless_it_may_be_none() -> None:
    """A row from before the field: its default counts. `None` was an answer, where it is one."""
    document = text_of(order(), without=["added", "maybe"])

    assert "added" not in document
    assert document["maybe"] is None


@pytest.mark.parametrize(("mode", "raw"), [("utf8", "é".encode()), ("base64", b"\xff\x00"), ("hex", b"\xff\x00")])
def test_bytes_are_read_again_as_they_were(mode: Literal["utf8", "base64", "hex"], raw: bytes) -> None:
    config = ConfigDict(val_json_bytes=mode)
    model = create_model("Raw", raw=(bytes, ...), __config__=config)
    record = model.model_construct(raw=raw)

    text = record_text(model, kinds(model), cells(record))

    assert model.model_validate_json(text).model_dump() == {"raw": raw}


def test_bytes_that_are_no_text_are_shown() -> None:
    model = create_model("Raw", raw=(bytes, ...))

    assert record_text(model, kinds(model), {"raw": b"a\xff"}) == '{"raw": "a\\\\xff"}'
