"""The columns of a model: one per field, with a kind that says how a value is kept.

Kept exactly: `Decimal` as text, integers up to 64 bits, datetimes in UTC with microseconds (a naive one counts as
UTC). Lists, dicts, unions and nested models are JSON text. Columns have no NOT NULL: records are checked before they
come here, and a field that is added later has to have room in the rows of before.
"""

from __future__ import annotations

import enum
import json
import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

from moose_lib.core_schemas import MASK, complete_schema, is_secret, parts_of
from moose_lib.faults import FieldFault
from moose_lib.ingest.errors import UnstorableRecord

#: A value as SQLite takes it.
Cell = None | int | float | str | bytes

_INT_RANGE = range(-(2**63), 2**63)


class Kind(StrEnum):
    """How the values of a column are kept."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    DATETIME = "datetime"
    DATE = "date"
    TIME = "time"
    DURATION = "duration"
    UUID = "uuid"
    BYTES = "bytes"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: `name` is the field's, whatever alias the field has in JSON."""

    name: str
    kind: Kind


_KINDS: Mapping[type, Kind] = {
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.REAL,
    Decimal: Kind.DECIMAL,
    datetime: Kind.DATETIME,
    date: Kind.DATE,
    time: Kind.TIME,
    timedelta: Kind.DURATION,
    UUID: Kind.UUID,
    bytes: Kind.BYTES,
}


@lru_cache(maxsize=1024)
def columns_of(model: type[BaseModel]) -> tuple[Column, ...]:
    """The columns of a model, in the order of its fields; `_extra` at the end holds what a model with extras allows."""
    columns = [Column(name=name, kind=_kind(field.annotation)) for name, field in model.model_fields.items()]
    if model.model_config.get("extra") == "allow":
        columns.append(Column(name=EXTRA, kind=Kind.JSON))
    return tuple(columns)


#: The column of fields that a model allows and does not name.
EXTRA = "_extra"


class RowMaker:
    """Turns records of one model into rows, in the order of its columns."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.columns = columns_of(model)
        self._json = {column.name for column in self.columns if column.kind is Kind.JSON and column.name != EXTRA}
        self._cells = [(column.name, CELLS[column.kind]) for column in self.columns if column.kind is not Kind.JSON]
        #: No column is JSON: each cell is made of one value.
        self.is_plain = len(self._cells) == len(self.columns)
        self._serializer = model.__pydantic_serializer__
        self._has_secrets = any(is_secret(part) for part in parts_of(complete_schema(model)))

    def row(self, record: BaseModel) -> tuple[Cell, ...]:
        """The cells of a record.

        Raises:
            UnstorableRecord: a value that no column can keep: an integer over 64 bits, a float that is not a number,
                a secret.
        """
        values = record.__dict__
        if self.is_plain:
            try:
                return tuple([None if (it := values[name]) is None else cell(it) for name, cell in self._cells])
            except Unstorable:
                pass  # below, the field is known
        cells: dict[str, Cell] = {}
        for name, cell in self._cells:
            value = values[name]
            try:
                cells[name] = None if value is None else cell(value)
            except Unstorable as error:
                raise UnstorableRecord(FieldFault(path=name, reason=str(error))) from None
        if self._json:
            dumped = self._serializer.to_python(record, mode="json", include=self._json, by_alias=False)
            cells |= {name: _json_cell(name, value) for name, value in dumped.items()}
            if self._has_secrets:
                _refuse_stars(cells)
        return tuple(self._extra(record) if column.name == EXTRA else cells.get(column.name) for column in self.columns)

    def _extra(self, record: BaseModel) -> Cell:
        names = set(record.model_extra or ())
        if not names:
            return None
        return _json_cell(EXTRA, self._serializer.to_python(record, mode="json", include=names))


class Unstorable(Exception):
    """A value that SQLite or a column of this kind cannot keep."""


def _kind(annotation: Any) -> Kind:  # Any: whatever can stand behind a field's colon
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        return _kind(members[0]) if len(members) == 1 else Kind.JSON
    if get_origin(annotation) is Literal:
        return _kind_of_values(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _kind_of_values([member.value for member in annotation])
    if not isinstance(annotation, type):
        return Kind.JSON
    return _kind_of_subclass(annotation)


def _kind_of_values(values: Iterable[object]) -> Kind:
    """What all of the values are."""
    kinds = {_kind_of_subclass(type(value)) for value in values if value is not None}
    return kinds.pop() if len(kinds) == 1 else Kind.JSON


def _kind_of_subclass(annotation: type) -> Kind:
    """A type that has a column, or is derived from one (`class Email(str)`); `bool` is before `int`."""
    return next((kind for base, kind in _KINDS.items() if issubclass(annotation, base)), Kind.JSON)


def _plain(value: Any) -> Any:  # Any: an Enum's value can be anything
    return value.value if isinstance(value, enum.Enum) else value


def _text(value: Any) -> Cell:  # Any: pydantic has checked it
    if value.__class__ is str and value.isascii():
        return value  # the common case, at once
    text = str(_plain(value))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unstorable("half of a surrogate pair is no text") from None
    return text


def _integer(value: Any) -> Cell:  # Any: as above
    if value.__class__ is int and -(2**63) <= value < 2**63:
        return value  # as above
    number = int(_plain(value))
    if number not in _INT_RANGE:
        raise Unstorable(f"{number} does not fit 64 bits")
    return number


def _real(value: Any) -> Cell:  # Any: as above
    number = float(_plain(value))
    if math.isnan(number):
        raise Unstorable("nan cannot be kept: it would become null")
    return number


def _datetime(value: Any) -> Cell:  # Any: as above
    moment: datetime = _plain(value)
    text = moment.isoformat(timespec="microseconds")
    if text.endswith("+00:00"):
        return text[:-6] + "Z"  # the common case, at once
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise Unstorable(f"{moment.isoformat()} is outside of the years 1 to 9999 in UTC") from None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _iso(value: Any) -> Cell:  # Any: as above
    text: str = _plain(value).isoformat()
    return text


def _duration(value: Any) -> Cell:  # Any: as above
    length: timedelta = _plain(value)
    return length / timedelta(microseconds=1) / 1_000_000


def _bytes(value: Any) -> Cell:  # Any: as above
    return bytes(_plain(value))


def _json_cell(name: str, value: Any) -> Cell:  # Any: JSON
    try:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise UnstorableRecord(FieldFault(path=name, reason="nan and infinity are no JSON")) from None


def _refuse_stars(cells: Mapping[str, Cell]) -> None:
    for name, cell in cells.items():
        if isinstance(cell, str) and MASK in cell:
            reason = "a secret is written as '**********', so it cannot be kept; make it a str"
            raise UnstorableRecord(FieldFault(path=name, reason=reason))


CELLS: Mapping[Kind, Callable[[Any], Cell]] = {  # Any: as above
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.REAL: _real,
    Kind.BOOLEAN: _integer,
    Kind.DECIMAL: _text,
    Kind.DATETIME: _datetime,
    Kind.DATE: _iso,
    Kind.TIME: _iso,
    Kind.DURATION: _duration,
    Kind.UUID: _text,
    Kind.BYTES: _bytes,
}
