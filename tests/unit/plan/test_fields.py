"""What can be told about the fields of a model, and about how two versions of it differ."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from moose_lib.plan.fields import changes, fields_of, fingerprint


class Item(BaseModel):
    sku: str
    count: int = Field(ge=1)


class Order(BaseModel):
    order_id: str
    items: list[Item]
    by_name: dict[str, Item] = {}
    note: str | None = None
    total: Decimal | Item


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Coordinates:
    """A type that JSON schema cannot describe."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # Any: pydantic's
        return core_schema.is_instance_schema(cls)


class Odd(BaseModel):
    place: Coordinates
    size: Annotated[int, Field(default=1)]


def test_every_field_is_told_by_its_path() -> None:
    assert fields_of(Order) == {
        "order_id": "string",
        "items[].sku": "string",
        "items[].count": "integer (minimum 1)",
        "by_name.*.sku": "string",
        "by_name.*.count": "integer (minimum 1)",
        "note": "string or null, optional",
        "total": "number or string or {sku: string, count: integer (minimum 1)}",
    }


def test_a_model_within_itself_comes_to_an_end() -> None:
    fields = fields_of(Tree)

    assert fields["children[].children[].value"] == "integer"
    assert len(fields) < 10


def test_a_model_that_no_schema_describes_is_told_by_its_names() -> None:
    assert fields_of(Odd) == {"place": "any", "size": "any, optional"}


def test_what_changed_is_said_field_by_field() -> None:
    before = {"total": "integer", "gone": "string", "same": "string"}
    now = {"currency": "string", "total": "number", "same": "string"}

    assert changes(before, now) == [
        "field `total` is number, was integer",
        "field `currency` added",
        "field `gone` removed",
    ]
    assert changes(now, now) == []


def test_a_default_that_is_no_json_is_no_matter() -> None:
    class Raw(BaseModel):
        data: bytes = b"\xff"

    assert fields_of(Raw) == {"data": "binary, optional"}


def test_fingerprints_differ_when_fields_do() -> None:
    assert fingerprint(fields_of(Order)) != fingerprint(fields_of(Item))
    assert fingerprint({"a": "string", "b": "string"}) == fingerprint({"b": "string", "a": "string"})
