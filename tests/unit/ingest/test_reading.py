"""From a request's bytes to records: pydantic's verdict, record by record."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    RootModel,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)

from moose_lib.ingest.errors import TooManyRecords, UnreadableBody
from moose_lib.ingest.reading import MOST_RECORDS, Format, RecordReader, Records


class Click(BaseModel):
    user: str
    count: int = 1
    at: datetime | None = None
    tags: list[str] = []

    @field_validator("count")
    @classmethod
    def positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        if value == 4:
            raise KeyError(value)
        return value


READER = RecordReader(Click)


def users(records: Records) -> list[object]:
    return [record.model_dump()["user"] for record in records.accepted]


def test_an_object_and_an_array_and_lines() -> None:
    one = READER.read(b' {"user": "a"}')
    many = READER.read(b'[{"user": "a"}, {"user": "b", "count": 2}]')
    lines = READER.read(b'{"user": "a"}\n\n{"user": "b"}\r\n', "ndjson")

    assert (one.accepted, one.is_array) == ((Click(user="a"),), False)
    assert (many.accepted, many.is_array) == ((Click(user="a"), Click(user="b", count=2)), True)
    assert users(lines) == ["a", "b"]
    assert READER.read(b"[]").accepted == ()


def test_bad_records_come_with_their_own_text_and_reasons() -> None:
    records = READER.read(b'[{"user": "a"}, {"user": 7, "count": -1} , {"count": 1}]')

    assert users(records) == ["a"]
    first, second = records.refused
    assert (first.index, first.text) == (1, '{"user": 7, "count": -1}')
    assert [it.path for it in first.faults] == ["user", "count"]
    assert (second.index, second.text) == (2, '{"count": 1}')
    assert [str(it) for it in second.faults] == ["user: is missing"]


def test_more_records_than_may_come_are_counted_before_the_body_is_read() -> None:
    """Read as a whole they take a hundred times their text; so nobody has seen that this is no JSON at its end."""
    with pytest.raises(TooManyRecords):
        READER.read(b"[" + b'{"user": "a"},' * (MOST_RECORDS + 1) + b"oops")


def test_braces_within_records_are_not_records() -> None:
    text = json.dumps([{"user": "{{{", "tags": ["{"], "more": {"of": {}}}] * 20_000)

    assert len(READER.read(text.encode()).accepted) == 20_000


@pytest.mark.parametrize("body", [b"[" + b"{" * 200_000, b"[" + b'{"user": "a"},' * 200_000 + b"\xff]"])
def test_what_cannot_be_counted_is_told_as_what_it_is(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        READER.read(body)


def test_a_single_bad_object_is_refused_as_it_came() -> None:
    (refused,) = READER.read(b' {"user":7}\n').refused

    assert (refused.index, refused.text) == (0, '{"user":7}')


def test_a_line_that_is_no_json_does_not_sink_the_others() -> None:
    records = READER.read(b'{"user": "a"}\n{"user": \n{"user": "c"}', "ndjson")

    assert users(records) == ["a", "c"]
    assert [it.index for it in records.refused] == [1]


def test_a_strict_endpoint_takes_types_as_they_are() -> None:
    assert READER.read(b'{"user": "a", "count": "7"}').accepted[0] == Click(user="a", count=7)
    assert RecordReader(Click, is_strict=True).read(b'{"user": "a", "count": "7"}').refused


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Invalid JSON: expected an object or an array of objects at line 1 column 1"),
        (b"7", "expected an object"),
        (b'"a"', "expected an object"),
        (b'{"user": ', "Invalid JSON: EOF while parsing a value at line 1 column 9"),
        (b'[{"user": "a"}', "EOF while parsing a list at line 1 column 14"),
        (b'[{"user": "a"},\n]', "at line 2 column 1"),
        (b'{"user": "\xff"}', "Invalid JSON: "),
        (b'[1, "\xff"]', "Invalid JSON: "),
        (b"[" * 100_000, "recursion limit exceeded"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(body: bytes, text: str) -> None:
    with pytest.raises(UnreadableBody) as caught:
        READER.read(body)

    assert text in caught.value.message


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_validator_that_breaks_refuses_its_record_alone(form: Format) -> None:
    """Whatever it raises: the class and the text are the reason, and the first one is handed on for a log."""
    texts = ['{"user": "a"}', '{"user": "b", "count": 4}', '{"user": "c"}', '{"user": 7}', '{"user": "d", "count": 4}']
    body = "\n".join(texts) if form == "ndjson" else f"[{','.join(texts)}]"

    records = READER.read(body.encode(), form)

    assert users(records) == ["a", "c"]
    assert [it.index for it in records.refused] == [1, 3, 4]
    assert [str(it) for it in records.refused[0].faults] == ["KeyError: 4"]
    assert isinstance(records.breakage, KeyError)
    assert READER.read(b'[{"user": 7}]').breakage is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError(), "RuntimeError"),
        (TypeError("a\n b"), "TypeError: a b"),
        (OSError("x" * 500), f"OSError: {'x' * 200}"),
    ],
)
def test_what_a_validator_raises_is_told_on_one_line(error: Exception, reason: str) -> None:
    class Broken(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def fail(cls, _: object) -> object:
            raise error

    (refused,) = RecordReader(Broken).read(b"{}").refused

    assert [str(it) for it in refused.faults] == [reason]


def test_a_fault_of_the_whole_record_is_told_without_its_type() -> None:
    """Which type it has only matters where that is the fault."""

    class Zero(BaseModel):
        number: int = 0

        @model_validator(mode="after")
        def refuse(self) -> Self:
            raise ValueError("zero")

    (zero,) = RecordReader(Zero).read(b"{}").refused
    (listed,) = RecordReader(RootModel[list[int]]).read(b"{}").refused

    assert [str(it) for it in zero.faults] == ["value error, zero"]
    assert [str(it) for it in listed.faults] == ["input should be a valid array, got dict"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "user": st.text(max_size=5) | JSON,
        "count": st.integers(-5, 5) | JSON,
        "at": JSON,
        "tags": JSON,
        "x": JSON,
    },
)


@given(st.lists(RECORDS | JSON, max_size=5), st.sampled_from([None, 2]))
def test_the_verdict_on_each_record_is_pydantics(given_records: list[Any], indent: int | None) -> None:
    adapter = TypeAdapter(Click)
    expected = dict[int, Click]()
    for index, record in enumerate(given_records):
        try:
            expected[index] = adapter.validate_json(json.dumps(record))
        except (ValidationError, KeyError):
            continue

    records = READER.read(json.dumps(given_records, indent=indent, ensure_ascii=False).encode())

    assert list(records.accepted) == list(expected.values())
    assert {it.index for it in records.refused} == set(range(len(given_records))) - expected.keys()
    assert [json.loads(it.text) for it in records.refused] == [given_records[it.index] for it in records.refused]


def basket(count: int) -> bytes:
    return b'{"items": [' + b",".join([b"1"] * count) + b"]}"


@pytest.mark.parametrize("items", [list[str], tuple[str, ...], set[str], frozenset[str], list[str] | None])
def test_of_a_very_large_record_each_list_tells_its_first_fault(items: Any) -> None:
    """Pydantic would make a fault of each element, which takes gigabytes, too."""
    model = create_model("Basket", count=int, items=items)

    reader = RecordReader(model)
    for body in (basket(3_000), b"[" + basket(3_000) + b"]"):
        (refused,) = reader.read(body).refused
        assert [str(it) for it in refused.faults] == [
            "count: is missing",
            "items.0: input should be a valid string, got 1",
        ]


def test_of_a_very_large_record_models_and_mappings_within_are_left_at_the_first_fault() -> None:
    class Part(BaseModel):
        name: str
        size: int

    class Boxes(BaseModel):
        parts: list[Part]
        sizes: dict[str, int]

    body = json.dumps({"parts": [{}] * 3_000, "sizes": {str(it): "x" for it in range(3_000)}}).encode()
    (refused,) = RecordReader(Boxes).read(body).refused

    assert [it.path for it in refused.faults] == ["parts.0.name", "parts.0.size", "sizes.0"]


@pytest.mark.parametrize(("count", "told"), [(3, 3), (1_000, 10), (1_001, 1), (2_001, 1)])
def test_of_very_many_faults_each_list_tells_its_first(count: int, told: int) -> None:
    """To make a sentence of each would take gigabytes, and their number alone says nothing of where to look."""

    class Basket(BaseModel):
        items: list[str]

    (refused,) = RecordReader(Basket).read(basket(count)).refused
    assert [it.path for it in refused.faults] == [f"items.{number}" for number in range(told)]


def test_a_validator_that_leaves_elements_out_sees_all_that_do_not_fit() -> None:
    def without_bad(given: list[Any], handler: ValidatorFunctionWrapHandler) -> list[str]:  # Any: JSON
        try:
            found: list[str] = handler(given)
        except ValidationError as error:
            bad = {it["loc"][0] for it in error.errors()}
            found = handler([it for index, it in enumerate(given) if index not in bad])
        return found

    class Basket(BaseModel):
        items: Annotated[list[str], WrapValidator(without_bad)]

    body = b'{"items": [' + b",".join([b"1", b'"a"'] * 2_000) + b"]}"
    (record,) = RecordReader(Basket).read(body).accepted
    assert record.model_dump() == {"items": ["a"] * 2_000}


def test_models_that_are_built_late_are_read() -> None:
    class Late(BaseModel):
        model_config = ConfigDict(defer_build=True)
        items: list[str]

    assert RecordReader(Late).read(b'{"items": ["a"]}').accepted == (Late(items=["a"]),)
    assert len(RecordReader(Late).read(b'[{"items": ["a"]}, {"items": []}]').accepted) == 2
