"""From the bytes of a request to checked records: one object, a JSON array, or NDJSON.

The common case, all records valid, is one pass of pydantic over the bytes. Only when something is wrong are the records
told apart, each with its own text, so that the good ones can be kept and the bad ones shown as they came. A
validator of the user's may raise what pydantic does not take for a verdict; that is the fault of its record alone, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from moose_lib.core_schemas import complete_schema, first_fault_validator
from moose_lib.faults import FieldFault
from moose_lib.ingest.errors import TooManyRecords, UnreadableBody
from moose_lib.values import MOST_FAULTS, field_faults

#: How the body is written; `json` is one object or an array of them.
Format = Literal["json", "ndjson"]

#: A few megabytes can hold millions of records (`{},{},…`), which would take gigabytes; past this they are refused.
MOST_RECORDS: Final = 100_000
#: The first ones of a record are told; a model with many fields makes many out of `{}`.
_MOST_FAULTS: Final = 10
#: Of a record with more values, the first fault of each list is told: all of them could take gigabytes to find.
_MOST_VALUES: Final = 2_000
#: Of what a validator says, so many characters are told.
_LONGEST_REASON: Final = 200
#: After so many records other threads have a turn: otherwise they wait 5 ms each time they need the interpreter, and
#: the one that writes needs it for every statement.
_TURN: Final = 64
_BLANK: Final = " \t\n\r"
_DECODER: Final = JSONDecoder()
_LINE: Final = re.compile("[^\n]+")


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A record that does not fit its model: where it stands in the request, its own text, and why."""

    index: int
    text: str
    faults: tuple[FieldFault, ...]


@dataclass(frozen=True, kw_only=True)
class Records:
    """What a request brought; `is_array` tells one object from an array with one.

    `positions` says where each accepted record stands in the request. `breakage` is the first exception of a validator
    that is no verdict: a mistake in the code rather than in the record.
    """

    accepted: tuple[BaseModel, ...]
    positions: Sequence[int]
    refused: tuple[Refused, ...] = ()
    is_array: bool = True
    breakage: Exception | None = None


class RecordReader:
    """Reads requests with records of one model. `is_strict`: `None` leaves it to the model's own configuration."""

    def __init__(self, model: type[BaseModel], *, is_strict: bool | None = None) -> None:
        self._all_faults = TypeAdapter(model)
        self._one = first_fault_validator(complete_schema(model))
        many: Any = Annotated[list[model], Field(max_length=MOST_RECORDS)]  # type: ignore[valid-type]  # known at run time
        self._many = first_fault_validator(TypeAdapter[Any](many).core_schema)
        self._is_strict = is_strict

    def read(self, body: bytes, form: Format = "json") -> Records:
        """Check a request.

        Raises:
            UnreadableBody: it is not JSON, or neither an object nor an array.
            TooManyRecords: it brings more than may come at once.
        """
        if form == "ndjson":
            return self._told_apart(texts_of(body, form), is_array=True)
        start = body.lstrip()[:1]
        if start == b"[" and body.count(b"{") > MOST_RECORDS:
            _count(body)
        try:
            if start == b"{":
                record = self._one.validate_json(body, strict=self._is_strict)
                return Records(accepted=(record,), positions=(0,), is_array=False)
            if start == b"[":
                records = tuple(self._many.validate_json(body, strict=self._is_strict))
                return Records(accepted=records, positions=range(len(records)))
        except Exception as error:  # noqa: BLE001  # whatever users' validators raise; below it is known for which record
            if isinstance(error, ValidationError):
                _refuse_whole(error)
        else:
            raise UnreadableBody("expected an object or an array of objects", line=1, column=1)
        return self._told_apart(texts_of(body, form), is_array=start == b"[")

    def _told_apart(self, texts: Iterable[str], *, is_array: bool) -> Records:
        accepted, positions, refused = list[BaseModel](), list[int](), list[Refused]()
        breakage: Exception | None = None
        for index, text in enumerate(texts):
            if index == MOST_RECORDS:
                raise TooManyRecords(MOST_RECORDS)
            if index % _TURN == _TURN - 1:
                time.sleep(0)
            try:
                validator = self._one if text.count(",") > _MOST_VALUES else self._all_faults
                accepted.append(validator.validate_json(text, strict=self._is_strict))
                positions.append(index)
            except ValidationError as error:
                found = field_faults(self._fewer(text, error))
                refused.append(Refused(index=index, text=text, faults=tuple(islice(found, _MOST_FAULTS))))
            except Exception as error:  # noqa: BLE001  # as above
                breakage = error if breakage is None else breakage
                refused.append(Refused(index=index, text=text, faults=(_told(error),)))
        return Records(
            accepted=tuple(accepted),
            positions=positions,
            refused=tuple(refused),
            is_array=is_array,
            breakage=breakage,
        )

    def _fewer(self, text: str, error: ValidationError) -> ValidationError:
        """The first fault of each list, where there are too many to be told."""
        if error.error_count() > MOST_FAULTS:
            try:
                self._one.validate_json(text, strict=self._is_strict)
            except ValidationError as fewer:
                return fewer
        return error


def texts_of(body: bytes, form: Format = "json") -> Iterator[str]:
    """The text of each record of a request that has been read, in their order.

    Raises:
        UnreadableBody: it is not UTF-8.
    """
    text = _text(body)
    if form == "ndjson":
        return (it[0] for it in _LINE.finditer(text) if it[0].strip())
    return iter([text.strip()]) if text.lstrip(_BLANK)[:1] == "{" else _elements(text)


def _told(error: Exception) -> FieldFault:
    """`KeyError: 'sku'`; pydantic does not say at which field it was."""
    return FieldFault(
        path="", reason=f"{type(error).__name__}: {' '.join(str(error).split()):.{_LONGEST_REASON}}".rstrip(": ")
    )


def _count(body: bytes) -> None:
    """Look for more elements of an array than may come, one by one: all at once they take a hundred times their text.

    Raises:
        TooManyRecords: there are more.
    """
    try:
        is_over = next(islice(_elements(_text(body)), MOST_RECORDS, None), None) is not None
    except (UnreadableBody, IndexError):  # no JSON: pydantic says where
        return
    if is_over:
        raise TooManyRecords(MOST_RECORDS)


def _refuse_whole(error: ValidationError) -> None:
    """Not JSON, or too much: nothing that could be told record by record; it is the only error then."""
    if error.error_count() > 1:
        return
    (detail,) = error.errors(include_url=False, include_input=False)
    if detail["type"] == "too_long" and not detail["loc"]:
        raise TooManyRecords(MOST_RECORDS) from None
    if detail["type"] == "json_invalid" and not detail["loc"]:
        raise UnreadableBody.from_text(str(detail.get("ctx", {}).get("error", detail["msg"]))) from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"not UTF-8: {error.reason} at byte {error.start}", line=1, column=1) from None


def _elements(text: str) -> Iterator[str]:
    """The text of each element of an array that is known to be JSON."""
    position = text.index("[") + 1
    while True:
        while text[position] in _BLANK or text[position] == ",":
            position += 1
        if text[position] == "]":
            return
        begin = position
        try:
            _, position = _DECODER.raw_decode(text, begin)
        except (JSONDecodeError, RecursionError) as error:  # pydantic's parser has taken it, so it is only this deep
            raise UnreadableBody(f"cannot be told apart: {error}", line=1, column=begin + 1) from None
        yield text[begin:position]
