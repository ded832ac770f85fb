"""How the values of a record are kept in columns."""

from __future__ import annotations

import enum
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from moose_lib.ingest.columns import Kind, RowMaker, columns_of
from moose_lib.ingest.errors import UnstorableRecord


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Email(str):
    """A type of the user's own."""


class Part(BaseModel):
    sku: str
    price: Decimal


class Everything(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    text: str
    number: int
    size: float
    flag: bool
    price: Decimal
    at: datetime
    day: date
    hour: time
    took: timedelta
    key: UUID
    data: bytes
    color: Color
    level: Level
    word: Literal["a", "b"]
    maybe: int | None = None
    either: int | str = 0
    parts: list[Part]
    by_name: dict[str, Part]
    anything: Any = None
    email: Email = Field(default=Email("a@b"), alias="e-mail")


EVERYTHING = Everything(
    text="ä",
    number=-5,
    size=0.5,
    flag=True,
    price=Decimal("0.10"),
    at=datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
    day=date(2026, 1, 2),
    hour=time(7, 30),
    took=timedelta(minutes=1, microseconds=5),
    key=UUID(int=7),
    data=b"\x00\xff",
    color=Color.RED,
    level=Level.HIGH,
    word="a",
    parts=[Part(sku="x", price=Decimal("1.50"))],
    by_name={},
)


def cells(record: BaseModel) -> dict[str, object]:
    maker = RowMaker(type(record))
    return dict(zip([column.name for column in maker.columns], maker.row(record), strict=True))


def test_every_type_has_its_kind() -> None:
    kinds = {column.name: column.kind for column in columns_of(Everything)}

    assert kinds == {
        "text": Kind.TEXT,
        "number": Kind.INTEGER,
        "size": Kind.REAL,
        "flag": Kind.BOOLEAN,
        "price": Kind.DECIMAL,
        "at": Kind.DATETIME,
        "day": Kind.DATE,
        "hour": Kind.TIME,
        "took": Kind.DURATION,
        "key": Kind.UUID,
        "data": Kind.BYTES,
        "color": Kind.TEXT,
        "level": Kind.INTEGER,
        "word": Kind.TEXT,
        "maybe": Kind.INTEGER,
        "either": Kind.JSON,
        "parts": Kind.JSON,
        "by_name": Kind.JSON,
        "anything": Kind.JSON,
        "email": Kind.TEXT,
    }


def test_values_are_kept_exactly() -> None:
    kept = cells(EVERYTHING)

    assert kept == {
        "text": "ä",
        "number": -5,
        "size": 0.5,
        "flag": 1,
        "price": "0.10",
        "at": "2026-01-01T10:00:00.000000Z",
        "day": "2026-01-02",
        "hour": "07:30:00",
        "took": 60.000005,
        "key": str(UUID(int=7)),
        "data": b"\x00\xff",
        "color": "red",
        "level": 3,
        "word": "a",
        "maybe": None,
        "either": "0",
        "parts": '[{"sku":"x","price":"1.50"}]',
        "by_name": "{}",
        "anything": None,
        "email": "a@b",
    }


def test_a_naive_time_counts_as_utc() -> None:
    class Event(BaseModel):
        at: datetime

    naive, aware = Event(at=datetime(2026, 1, 1, 12)), Event(at=datetime(2026, 1, 1, 12, tzinfo=UTC))  # noqa: DTZ001  # the case

    assert cells(naive) == cells(aware) == {"at": "2026-01-01T12:00:00.000000Z"}


def test_extra_fields_that_a_model_allows_are_kept_together() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        name: str

    assert cells(Open(name="a")) == {"name": "a", "_extra": None}
    extra = cells(Open.model_validate({"name": "a", "x": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}))["_extra"]
    assert json.loads(str(extra)) == {"x": 1, "at": "2026-01-01T00:00:00Z"}


class Number(BaseModel):
    value: int | None = None
    size: float = 0.0
    sizes: list[float] = []
    text: str = ""
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (Number(value=2**63), "value: 9223372036854775808 does not fit 64 bits"),
        (Number(size=float("nan")), "size: nan cannot be kept"),
        (Number(sizes=[float("nan")]), "sizes: nan and infinity are no JSON"),
        (Number(text="\ud800"), "text: half of a surrogate pair is no text"),
        (Number(at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))), "at: .* is outside of the years 1 to 9999"),
    ],
)
def test_what_no_column_can_keep_is_refused_with_its_field(record: Number, fault: str) -> None:
    with pytest.raises(UnstorableRecord, match=fault):
        RowMaker(Number).row(record)


class Login(BaseModel):
    name: str
    password: SecretStr


class Account(BaseModel):
    pin: SecretStr | None = None
    logins: list[Login] = []


class Shown(BaseModel):
    pin: SecretStr

    @field_serializer("pin", when_used="json")
    def _show(self, pin: SecretStr) -> str:
        return pin.get_secret_value()


def test_a_secret_is_not_kept_as_stars() -> None:
    """It would be lost; without one, or where the model writes it, there is nothing to lose."""
    fault = r"a secret is written as '\*{10}', so it cannot be kept; make it a str"
    for field, value in (("pin", "1234"), ("logins", [{"name": "ada", "password": "hush"}])):
        with pytest.raises(UnstorableRecord, match=f"{field}: {fault}"):
            RowMaker(Account).row(Account.model_validate({field: value}))

    assert cells(Account()) == {"pin": None, "logins": "[]"}
    assert cells(Shown(pin=SecretStr("1234"))) == {"pin": '"1234"'}
