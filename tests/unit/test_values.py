"""Values as JSON: what one task returns, the next one receives equal; the run's input is read as its model says."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    with_config,
)
from typing_extensions import TypedDict

from moose_lib.errors import FieldFault, InvalidInput, InvalidOutput
from moose_lib.values import read_value, write_output, write_run_input

Item = TypeVar("Item")


class Colour(Enum):
    RED = "red"
    DEEP = 2


class Level(IntEnum):
    LOW = 1


class Nested(BaseModel):
    at: dt.datetime
    raw: bytes
    parts: list[bytes] = []


class Everything(BaseModel):
    text: str
    whole: int
    number: float
    yes: bool
    nothing: None
    price: Decimal
    day: dt.date
    moment: dt.datetime
    clock: dt.time
    span: dt.timedelta
    raw: bytes
    key: uuid.UUID
    words: set[str]
    levels: frozenset[Level]
    colour: Colour
    pair: tuple[int, str]
    address: IPv4Address
    path: Path
    by_id: dict[uuid.UUID, Decimal]
    maybe: float | None
    nested: Nested
    more: dict[str, list[Nested]]


@with_config(ConfigDict(extra="forbid"))
class Typed(TypedDict):
    raw: bytes


class Node(BaseModel):
    raw: bytes
    children: list[Node] = []


class Aliased(BaseModel):
    order_id: str = Field(alias="orderId")
    total: float = Field(validation_alias="sum", serialization_alias="amount")


class Page(BaseModel, Generic[Item]):
    items: list[Item]


class Names(RootModel[list[bytes]]):
    pass


class Amount(BaseModel):
    net: float

    @computed_field
    def gross(self) -> float:
        return self.net * 2


class StrictAmount(Amount):
    model_config = ConfigDict(extra="forbid")


class OpenAmount(Amount):
    model_config = ConfigDict(extra="allow")


class Awkward(BaseModel):
    """Fields whose names mean something in pydantic's own schemas."""

    type: bytes
    metadata: Nested
    config: Nested
    cls: bytes
    default: bytes
    expected: Literal["bytes", "model"]
    like_a_schema: dict[str, Any] = {"type": "model"}


class Hex(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
    raw: bytes


class Deferred(BaseModel):
    model_config = ConfigDict(defer_build=True)
    raw: bytes


class Packed(BaseModel):
    packed: Json[list[int]]


class Remembering(BaseModel):
    seen: int
    _cache: int = PrivateAttr(default=7)


class Hiding(BaseModel):
    needed: int = Field(exclude=True)
    client: object = Field(default=None, exclude=True)


class Float(BaseModel):
    number: float
    maybe: float | None = None


NESTED = Nested(at=dt.datetime(2026, 11, 22, 12, 30, tzinfo=dt.UTC), raw=b"\xff\x00", parts=[b"\xfe", b"plain"])
EVERYTHING = Everything(
    text="ü😀",
    whole=2**70,
    number=0.1,
    yes=True,
    nothing=None,
    price=Decimal("10.10"),
    day=dt.date(2026, 2, 28),
    moment=dt.datetime(2026, 2, 28, 23, 59, 59, 123456),  # noqa: DTZ001  # naive on purpose
    clock=dt.time(1, 2, 3),
    span=dt.timedelta(days=-1, microseconds=1),
    raw=bytes(range(256)),
    key=uuid.UUID(int=5),
    words={"a", "b"},
    levels=frozenset({Level.LOW}),
    colour=Colour.DEEP,
    pair=(1, "x"),
    address=IPv4Address("127.0.0.1"),
    path=Path("data/in.csv"),
    by_id={uuid.UUID(int=7): Decimal("0.1")},
    maybe=None,
    nested=NESTED,
    more={"all": [NESTED]},
)
VALUES: list[BaseModel] = [
    EVERYTHING,
    Node(raw=b"\xff", children=[Node(raw=b"\xfe")]),
    Aliased.model_validate({"orderId": "7", "sum": 2}),
    Page[Nested](items=[NESTED]),
    Page[Page[bytes]](items=[Page[bytes](items=[b"\xff"])]),
    Names([b"\xff"]),
    Amount(net=1),
    StrictAmount(net=1),
    OpenAmount.model_validate({"net": 1, "note": "kept"}),
    Awkward(type=b"\xff", metadata=NESTED, config=NESTED, cls=b"\xfe", default=b"\xfd", expected="model"),
    Hex(raw=b"\xff"),
    Deferred(raw=b"\xff"),
    Packed.model_validate({"packed": "[1, 2]"}),
    Remembering(seen=1),
    Hiding(needed=3),
    Float(number=math.inf, maybe=-math.inf),
]


def travelled(value: BaseModel) -> BaseModel:
    return read_value("next", type(value), write_output("this", type(value), value))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_child_receives_what_its_parent_returned(value: BaseModel) -> None:
    """Decimal, date, bytes, timedelta, Enum and all the others arrive equal."""
    assert travelled(value) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_travels_is_json_for_everybody(value: BaseModel) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads(write_output("this", type(value), value), parse_constant=refuse)


@given(
    st.builds(
        Nested, at=st.datetimes(timezones=st.just(dt.UTC)), raw=st.binary(), parts=st.lists(st.binary(), max_size=3)
    )
)
def test_any_bytes_and_times_arrive(value: Nested) -> None:
    assert travelled(value) == value


@given(st.builds(Float, number=st.floats(), maybe=st.none() | st.floats()))
def test_any_float_arrives(value: Float) -> None:
    """Pydantic alone writes `nan` as null: an error for one field, silently another value for an optional one."""
    arrived = travelled(value)

    assert isinstance(arrived, Float)
    assert repr(arrived) == repr(value)


def test_the_default_of_a_model_is_not_touched() -> None:
    travelled(VALUES[9])

    assert Awkward.model_fields["like_a_schema"].default == {"type": "model"}


def test_a_value_is_written_by_field_name() -> None:
    assert write_output("t", Aliased, VALUES[2]) == b'{"order_id":"7","total":2.0}'


def test_computed_fields_are_shown_but_do_not_come_back_as_extra_ones() -> None:
    assert json.loads(write_output("t", StrictAmount, StrictAmount(net=1))) == {"net": 1, "gross": 2}
    arrived = travelled(OpenAmount(net=1))
    assert arrived.model_extra == {}


def test_a_field_called_data_is_like_any_other() -> None:
    class Data(BaseModel):
        data: dict[str, int]
        other: int

    assert travelled(Data(data={"data": 1}, other=2)) == Data(data={"data": 1}, other=2)


def test_an_output_with_more_fields_is_read_by_a_model_that_forbids_them() -> None:
    """Structural wiring takes fields from a larger model; so does a base class from its subclass."""

    class Small(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int

    class Holder(BaseModel):
        small: Small
        kept: OpenAmount

    arrived = read_value("t", Holder, b'{"small":{"a":1,"b":2},"kept":{"net":1,"note":"x"},"more":3}')

    assert arrived == Holder(small=Small(a=1), kept=OpenAmount.model_validate({"net": 1, "note": "x"}))


def test_models_that_name_types_declared_later_travel() -> None:
    class Early(BaseModel):
        late: Late

    class Late(BaseModel):
        raw: bytes

    Early.model_rebuild()
    value = Early(late=Late(raw=b"\xff"))
    assert travelled(value) == value


def test_a_typed_dict_in_a_model_travels() -> None:
    class Holder(BaseModel):
        typed: Typed

    value = Holder(typed={"raw": b"\xff"})
    assert travelled(value) == value
    assert read_value("t", Holder, b'{"typed": {"raw": "_w==", "more": 1}}') == value


def test_nothing_is_null() -> None:
    assert write_output("t", None, None) == b"null"


def test_a_handler_may_return_a_dict_that_fits() -> None:
    assert write_output("t", Amount, {"net": 2}) == b'{"net":2.0,"gross":4.0}'


@pytest.mark.parametrize(
    ("model", "value", "text"),
    [
        (
            None,
            {"a": 1},
            "None: the handler returned dict, the task is declared to return nothing",
        ),
        (Amount, {"gross": 1}, "Amount: net: is missing"),
        (
            Amount,
            None,
            "Amount: input should be a valid dictionary or instance of Amount, got None",
        ),
        (
            Amount,
            Float(number=1),
            "Amount: input should be a valid dictionary or instance of Amount, got Float",
        ),
        (
            Amount,
            {"net": "much"},
            "Amount: net: input should be a valid number, unable to parse string as a number, got 'much'",
        ),
    ],
)
def test_a_wrong_output_names_task_model_and_fields(model: type[BaseModel] | None, value: object, text: str) -> None:
    with pytest.raises(InvalidOutput) as caught:
        write_output("t", model, value)

    assert str(caught.value) == f"output of task 't' is not a valid {text}"


def test_an_output_that_was_changed_to_something_wrong_is_refused() -> None:
    """Pydantic does not look at assignments; what leaves the task is looked at."""
    value = Amount(net=1)
    value.net = "much"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # on purpose

    with pytest.raises(InvalidOutput, match="Expected `float`"):
        write_output("t", Amount, value)


def test_an_output_that_has_no_json_is_refused() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        handle: object

    with pytest.raises(InvalidOutput, match=r"Unable to serialize unknown type: .*object"):
        write_output("t", Odd, Odd(handle=object()))


@pytest.mark.parametrize("secret", [SecretStr("s"), SecretBytes(b"s")])
def test_a_secret_is_refused_instead_of_arriving_as_stars(secret: SecretStr | SecretBytes) -> None:
    class Login(BaseModel):
        password: SecretStr | SecretBytes

    with pytest.raises(InvalidOutput, match=r"a secret field is written as '\*+', so it cannot be passed on"):
        write_output("t", Login, Login(password=secret))
    with pytest.raises(InvalidInput, match="a secret field") as caught:
        write_run_input(Login, Login(password=secret))
    assert caught.value.hint == "give the input as JSON"


def test_a_secret_travels_if_the_model_says_how() -> None:
    class Login(BaseModel):
        password: SecretStr

        @field_serializer("password")
        def reveal(self, value: SecretStr) -> str:
            return value.get_secret_value()

    assert travelled(Login(password=SecretStr("s"))) == Login(password=SecretStr("s"))


def test_a_value_that_does_not_fit_the_model_of_now_says_which_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_value("charge", Amount, b'{"total": 1}')

    assert str(caught.value) == "input of task 'charge' is not a valid Amount: net: is missing"
    assert caught.value.faults == (FieldFault(path="net", reason="is missing"),)
