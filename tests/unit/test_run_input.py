"""The input of a run: read exactly as its model says, as people and other programs write it."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr

from moose_lib.errors import InvalidInput
from moose_lib.values import read_run_input, reread_run_input, settle_run_input, write_run_input

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Line(BaseModel):
    number: float


class Parcel(BaseModel):
    at: dt.datetime
    raw: bytes


class Aliased(BaseModel):
    order_id: str = Field(alias="orderId")


class Hex(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
    raw: bytes


class Order(BaseModel):
    order_id: str = "none"
    items: list[Line] = []


class Defaults(RootModel[list[int]]):
    root: list[int] = [1]


class Maybe(RootModel[int | None]):
    pass


@pytest.mark.parametrize("data", [None, b"", b"  \n", b"null", b" null ", b"{}"])
def test_a_model_of_defaults_needs_no_input(data: bytes | None) -> None:
    assert read_run_input(Order, data) == Order()


@pytest.mark.parametrize("data", [None, b"", b"null", b"{}"])
def test_a_run_without_input_starts_a_task_without_input(data: bytes | None) -> None:
    assert read_run_input(None, data) is None


def test_an_input_that_nobody_takes_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_run_input(None, b'{"a": 1}')

    assert str(caught.value) == "the run takes no input"
    assert caught.value.hint == "start it without an input"


def test_a_root_model_as_input() -> None:
    assert read_run_input(Defaults, None) == Defaults([1])
    assert read_run_input(Defaults, b"[2]") == Defaults([2])
    assert read_run_input(Maybe, b"null") == read_run_input(Maybe, None) == Maybe(None)
    with pytest.raises(InvalidInput, match="input should be a valid array, got None"):
        read_run_input(Defaults, b"null")


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b"{", ["invalid JSON: EOF while parsing an object at line 1 column 1"]),
        (b'{"order_id": 1,}', ["invalid JSON: trailing comma at line 1 column 16"]),
        (b"[1, 2]", ["input should be an object, got list"]),
        (b"5", ["input should be an object, got 5"]),
        (
            b'{"order_id": 1, "items": [{"number": 1}, {}]}',
            ["order_id: input should be a valid string, got 1", "items.1.number: is missing"],
        ),
    ],
)
def test_a_wrong_run_input_names_path_and_reason_of_every_field(data: bytes, faults: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_run_input(Order, data)

    assert list(map(str, caught.value.faults)) == faults
    assert caught.value.model == "Order"


def test_the_run_input_is_read_as_its_model_says() -> None:
    """People write text for bytes, and aliases; only between tasks it is base64 and names."""
    assert read_run_input(Parcel, b'{"at": "2026-01-01T00:00:00Z", "raw": "hello"}') == Parcel(at=NOW, raw=b"hello")
    with pytest.raises(InvalidInput, match="orderId: is missing"):
        read_run_input(Aliased, b'{"order_id": "7", "sum": 1}')


def test_a_later_task_reads_the_run_input_as_a_base_class() -> None:
    class Base(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int

    assert reread_run_input(Base, b'{"a": 1, "of_the_subclass": 2}') == Base(a=1)
    assert reread_run_input(Order, b"null") == Order()
    with pytest.raises(InvalidInput):
        read_run_input(Base, b'{"a": 1, "of_the_subclass": 2}')


@pytest.mark.parametrize(
    "value",
    [
        Parcel(at=NOW, raw=b"text"),
        Order(order_id="7", items=[Line(number=1)]),
        Defaults([3]),
        Hex(raw=b"\xff"),
        Line(number=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_run_input_given_as_a_model_reads_back(value: BaseModel) -> None:
    assert read_run_input(type(value), write_run_input(type(value), value)) == value


def test_a_run_input_is_written_under_the_names_it_is_read_by() -> None:
    class Both(BaseModel):
        model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)
        a: int = Field(serialization_alias="b")

    assert write_run_input(Both, Both(a=1)) == b'{"a":1}'
    assert write_run_input(None, None) == b"null"


def test_bytes_in_a_run_input_have_to_be_text_or_have_a_rule() -> None:
    with pytest.raises(InvalidInput, match="invalid utf-8") as caught:
        write_run_input(Parcel, Parcel(at=NOW, raw=b"\xff"))

    assert caught.value.hint is not None
    assert 'ser_json_bytes="base64"' in caught.value.hint


def test_a_run_input_of_another_model_is_refused() -> None:
    """Even if its JSON would fit, as it does for a model that has only defaults."""

    class Wanted(BaseModel):
        rows: int = 1

    class Given(BaseModel):
        rows: int = 2

    with pytest.raises(InvalidInput, match="input of the run is not a valid Wanted: it is a Given"):
        write_run_input(Wanted, Given())


def test_inputs_that_mean_the_same_settle_to_the_same() -> None:
    spelled = [b"{}", b'{"order_id": "none"}', b'{ "items": [], "order_id": "none" }', None]
    assert {settle_run_input(Order, data) for data in spelled} == {b'{"order_id":"none","items":[]}'}
    assert settle_run_input(Line, b'{"number": 1}') == settle_run_input(Line, b'{"number": 1.0}')
    assert settle_run_input(Order, b'{"order_id": "8"}') != settle_run_input(Order, b"{}")


def test_what_cannot_be_settled_stays_as_given() -> None:
    """Two inputs that differ must never look the same, nor the same one different each time."""

    class Hidden(BaseModel):
        key: str = Field("", exclude=True)

    class Fresh(BaseModel):
        token: uuid.UUID = Field(default_factory=uuid.uuid4)

    class Secret(BaseModel):
        password: SecretStr

    class Tags(BaseModel):
        tags: set[str]

    cases: list[tuple[type[BaseModel], bytes]] = [
        (Tags, b'{"tags": ["b", "a"]}'),
        (Hidden, b'{"key": "a"}'),
        (Fresh, b"{}"),
        (Secret, b'{"password": "x"}'),
    ]
    for model, data in cases:
        assert settle_run_input(model, data) == data
