"""Which annotation fits which; in doubt it does not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from moose_lib.plan.fitting import fits, is_model, needs, structural_gaps


class Base(BaseModel):
    a: int


class Sub(Base):
    b: int = 0


class Plain(Enum):
    A = "a"


#: Not the same kind of object as `int | None`.
MAYBE = Optional[int]  # noqa: UP045  # users write it so


class Number(IntEnum):
    A = 1


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (int, int),
        (int, float),
        (bool, int),
        (Number, int),
        (Sub, Base),
        (int, Any),
        (list[int], object),
        (int, MAYBE),
        (int, int | str),
        (int | str, int | str | None),
        (list[Sub], list[Base]),
        (dict[str, int], dict[str, float]),
        (list[int], list),
        (tuple[int, ...], tuple[int, ...]),
        (Literal["a", "b"], str),
        (Literal["a"], Literal["a", "b"]),
        (dt.datetime, dt.datetime),
        (dt.date, dt.date),
        (list[int] | None, list[int] | None),
        (Annotated[int, Field(gt=0)], int),
        (list[int], list[Annotated[int, Field(gt=0)]]),
    ],
)
def test_every_value_of_the_first_is_one_of_the_second(offered: object, wanted: object) -> None:
    assert fits(offered, wanted)


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (str, int),
        (float, int),
        (int, str),
        (Base, Sub),
        (Any, int),
        (MAYBE, int),
        (int | str, int),
        (list[int], list[str]),
        (list, list[int]),
        (list[int], set[int]),
        (list[int], Sequence[int]),
        (dict[str, int], dict[int, int]),
        (tuple[int, int], tuple[int, ...]),
        (Plain, str),
        (str, Plain),
        (Literal["a", 1], str),
        (Literal["a", "c"], Literal["a", "b"]),
        (Literal["a"], list[str]),
        (dt.datetime, dt.date),
        (dt.date, dt.datetime),
    ],
)
def test_some_value_of_the_first_is_not_one_of_the_second(offered: object, wanted: object) -> None:
    assert not fits(offered, wanted)


def test_gaps_are_told_field_by_field() -> None:
    class Output(BaseModel):
        number: str
        maybe: Optional[int]  # noqa: UP045  # users write it so
        items: list[int]

    class Wanted(BaseModel):
        number: int
        maybe: int
        items: list[str]
        missing: float
        more: str = "none"

    assert structural_gaps(Output, Wanted) == [
        "'number' is str there and int here",
        "'maybe' is Optional[int] there and int here",
        "'items' is list[int] there and list[str] here",
        "Output has no field 'missing'",
    ]
    assert structural_gaps(Sub, Base) == []


def test_models_without_a_common_field_do_not_fit() -> None:
    class Defaults(BaseModel):
        x: int = 0

    assert structural_gaps(Base, Defaults) == ["Base shares no field with it"]


def test_what_wiring_has_to_fill() -> None:
    class Wanted(BaseModel):
        one: Base
        maybe: Base | None
        many: list[Annotated[Base, Field()]]
        more: Base = Base(a=1)

    assert [(need.field, need.model, need.is_list) for need in needs(Wanted) or []] == [
        ("one", Base, False),
        ("maybe", Base, False),
        ("many", Base, True),
    ]
    assert needs(Base) is None
    assert is_model(Base)
    assert not is_model(list[Base])
