"""What is said about an input: fields its model does not know, and types as users write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, RootModel, model_validator

from moose_lib.cli.type_names import type_name
from moose_lib.unknown_fields import unknown_fields_notes


class Line(BaseModel):
    amount: int = 1


class Order(BaseModel):
    order_id: str = "7"
    lines: list[Line] = []
    by_name: dict[str, Line] = {}
    either: Line | int | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    line: Line = Line()


class Aliased(BaseModel):
    order_id: str = Field("", alias="orderId")
    both: str = Field("", validation_alias=AliasChoices("one", AliasPath("two", 0)))


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    order_id: str = Field("", alias="orderId")


class Own(BaseModel):
    amount: int = 0

    @model_validator(mode="before")
    @classmethod
    def rename(cls, data: Any) -> Any:  # Any: pydantic's signature
        return {"amount": data["amout"]}


class Lines(RootModel[list[Line]]):
    pass


@pytest.mark.parametrize(
    ("model", "given", "notes"),
    [
        (Order, {"order_id": "1", "lines": [{"amount": 1}], "either": 3}, []),
        (Line, {"amout": 1}, ["the input has fields that Line does not know: amout (did you mean amount?)"]),
        (Line, {"amount": 2, "amout": 1}, ["the input has fields that Line does not know: amout"]),
        (
            Order,
            {"zzz": 1, "lines": [{}, {"amout": 1}], "by_name": {"a": {"x": 1}}, "either": {"y": 1}},
            [
                "the input has fields that Order does not know: zzz",
                (
                    "the input has fields that Line does not know: "
                    "lines.1.amout (did you mean amount?), by_name.a.x, either.y"
                ),
            ],
        ),
        (Open, {"more": 1, "line": {"x": 1}}, ["the input has fields that Line does not know: line.x"]),
        (Aliased, {"orderId": "1", "one": "", "two": [""]}, []),
        (
            Aliased,
            {"order_id": "1"},
            ["the input has fields that Aliased does not know: order_id (did you mean orderId?)"],
        ),
        (ByName, {"order_id": "1"}, []),
        (Own, {"amout": 1}, []),
        (Lines, [{"x": 1}], ["the input has fields that Line does not know: 0.x"]),
        (
            Lines,
            [{"x": 1}] * 7,
            ["the input has fields that Line does not know: 0.x, 1.x, 2.x, 3.x, 4.x and 2 more"],
        ),
    ],
)
def test_a_field_that_the_model_overlooks_is_told(model: type[BaseModel], given: object, notes: list[str]) -> None:
    """With the path to it, and what was meant unless that was given, too."""
    assert unknown_fields_notes(model.model_validate(given), given) == notes


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "str"),
        (list[Line], "list[Line]"),
        (dict[str, list[Line]], "dict[str, list[Line]]"),
        (Line | None, "Line | None"),
        (list[Annotated[int, Field(gt=0)]], "list[int]"),
        (Literal["a.b", 1], "Literal['a.b', 1]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Any, "Any"),
    ],
)
def test_a_type_is_shown_as_it_is_written(annotation: object, text: str) -> None:
    """Its module says nothing to who fills it in."""
    assert type_name(annotation) == text
