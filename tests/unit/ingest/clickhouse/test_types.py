"""The ClickHouse type of a field."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import Field, create_model

from moose_lib.ingest.clickhouse.types import as_nullable, bare, column_types, is_nullable, kind_type
from moose_lib.ingest.columns import Kind


class Color(Enum):
    RED = "red"


class Number(Enum):
    ONE = 1


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, "String"),
        (str | None, "Nullable(String)"),
        (Optional[int], "Nullable(Int64)"),  # noqa: UP045  # as users write it
        (Annotated[int, Field(ge=0)], "Int64"),
        (Literal["a", "b"], "LowCardinality(String)"),
        (Literal["a", None], "LowCardinality(Nullable(String))"),
        (Literal[1, 2], "Int64"),
        (Color, "LowCardinality(String)"),
        (Color | None, "LowCardinality(Nullable(String))"),
        (Number, "Int64"),
        (list[int], "Array(Int64)"),
        (tuple[str, ...], "Array(String)"),
        (tuple[str, int], "String"),
        (frozenset[float], "Array(Float64)"),
        (list[list[bool]], "Array(Array(Bool))"),
        (list[int | None], "String"),
        (list[int] | None, "Nullable(String)"),
        (list[Decimal], "String"),
        (dict[str, int], "String"),
        (Any, "Nullable(String)"),
        (int | str, "String"),
        (int | str | None, "Nullable(String)"),
        (Decimal, "String"),
        (Annotated[Decimal, Field(max_digits=10, decimal_places=2)], "Decimal(10, 2)"),
        (Annotated[Decimal, Field(max_digits=38)], "Decimal(76, 38)"),
        (Annotated[Decimal, Field(max_digits=39)], "String"),
        (Annotated[Decimal, Field(decimal_places=2)], "Decimal(76, 2)"),
        (Annotated[Decimal, Field(max_digits=77, decimal_places=2)], "String"),
        (Annotated[Decimal, Field(max_digits=2, decimal_places=2)], "Decimal(2, 2)"),
        (Annotated[Decimal, Field(max_digits=1, decimal_places=2)], "String"),
    ],
)
def test_a_field_has_the_type_that_keeps_all_its_values(annotation: Any, expected: str) -> None:
    model = create_model("Model", it=(annotation, ...))

    assert column_types(model) == {"it": expected}


@pytest.mark.parametrize(
    ("name", "nullable"),
    [
        ("Int64", "Nullable(Int64)"),
        ("LowCardinality(String)", "LowCardinality(Nullable(String))"),
        ("LowCardinality(Nullable(String))", "LowCardinality(Nullable(String))"),
        ("Nullable(Int64)", "Nullable(Int64)"),
    ],
)
def test_a_type_can_have_null_and_be_bared_of_it(name: str, nullable: str) -> None:
    assert as_nullable(name) == nullable
    assert is_nullable(nullable)
    assert bare(nullable) == bare(name)


def test_an_array_has_no_null() -> None:
    assert as_nullable("Array(Int64)") == "Array(Int64)"
    assert not is_nullable("Array(Nullable(Int64))")
    assert bare("Array(Nullable(Int64))") == "Array(Nullable(Int64))"


def test_a_column_whose_field_is_gone_has_the_type_of_its_kind() -> None:
    assert {kind_type(kind) for kind in Kind} == {
        "Nullable(String)",
        "Nullable(Int64)",
        "Nullable(Float64)",
        "Nullable(Bool)",
        "Nullable(DateTime64(6, 'UTC'))",
        "Nullable(Date32)",
        "Nullable(UUID)",
    }
