"""The ClickHouse type of each column of a model: one that keeps every value as it is, or refuses it.

A `Decimal` is a number there where the model bounds its digits, and else a text with all of them.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from moose_lib.ingest.columns import EXTRA, Kind, columns_of
from moose_lib.ingest.schema import ID, INGESTED_AT

#: Columns that every table has behind those of its model.
OWN_TYPES: Final = {ID: "Int64", INGESTED_AT: "DateTime64(6, 'UTC')"}
#: Digits of the widest `Decimal`.
_MOST_DIGITS: Final = 76

_TYPES: Final = {
    Kind.TEXT: "String",
    Kind.INTEGER: "Int64",
    Kind.REAL: "Float64",
    Kind.BOOLEAN: "Bool",
    Kind.DECIMAL: "String",
    Kind.DATETIME: "DateTime64(6, 'UTC')",
    Kind.DATE: "Date32",
    Kind.TIME: "String",
    Kind.DURATION: "Float64",
    Kind.UUID: "UUID",
    Kind.BYTES: "String",
    Kind.JSON: "String",
}
#: What the elements of an `Array` may be: types whose JSON is theirs in ClickHouse too.
_ELEMENTS: Final = {str: "String", bool: "Bool", int: "Int64", float: "Float64", UUID: "UUID"}


def column_types(model: type[BaseModel]) -> dict[str, str]:
    """The type of each column of a model, by name."""
    return {
        column.name: "Nullable(String)"
        if column.name == EXTRA
        else _field_type(model.model_fields[column.name], column.kind)
        for column in columns_of(model)
    }


def kind_type(kind: Kind) -> str:
    """The type of a column of which only the kind is known, as its field is gone."""
    return as_nullable(_TYPES[kind])


def as_nullable(name: str) -> str:
    """The type that has NULL beside its values, where ClickHouse has one."""
    if name.startswith(("Nullable(", "LowCardinality(Nullable(", "Array(")):
        return name
    if name.startswith("LowCardinality("):
        return f"LowCardinality(Nullable({name[len('LowCardinality(') : -1]}))"
    return f"Nullable({name})"


def is_nullable(name: str) -> bool:
    """A column of that type can be NULL."""
    return name.startswith(("Nullable(", "LowCardinality(Nullable("))


def bare(name: str) -> str:
    """The type of the values alone: `LowCardinality(Nullable(String))` is `String`."""
    for wrapper in ("LowCardinality(", "Nullable("):
        if name.startswith(wrapper):
            name = name[len(wrapper) : -1]
    return name


def allows_none(annotation: Any) -> bool:  # Any: whatever can stand behind a field's colon
    """A field of that type can be `None`."""
    if annotation is Any or annotation is None or annotation is types.NoneType:
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return allows_none(arguments[0])
    if origin in (Union, types.UnionType):
        return any(map(allows_none, arguments))
    return origin is Literal and None in arguments


def _field_type(field: FieldInfo, kind: Kind) -> str:
    annotation = _without_none(field.annotation)
    name = _TYPES[kind]
    if kind is Kind.DECIMAL:
        name = _decimal(field.metadata)
    elif kind is Kind.TEXT and _is_choice(annotation):
        name = "LowCardinality(String)"
    elif kind is Kind.JSON and not allows_none(field.annotation):
        name = _array(annotation) or name
    return as_nullable(name) if allows_none(field.annotation) else name


def _without_none(annotation: Any) -> Any:  # Any: as above
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _is_choice(annotation: Any) -> bool:  # Any: as above
    return get_origin(annotation) is Literal or (isinstance(annotation, type) and issubclass(annotation, enum.Enum))


def _decimal(metadata: Iterable[Any]) -> str:  # Any: whatever stands in `Annotated`
    digits = places = None
    for it in metadata:
        digits = getattr(it, "max_digits", None) if digits is None else digits
        places = getattr(it, "decimal_places", None) if places is None else places
    if digits is not None and places is not None and 0 <= places <= digits <= _MOST_DIGITS:
        return f"Decimal({max(digits, 1)}, {places})"
    if digits is None and places is not None and 0 <= places <= _MOST_DIGITS:
        return f"Decimal({_MOST_DIGITS}, {places})"
    if digits is not None and places is None and 1 <= 2 * digits <= _MOST_DIGITS:
        return f"Decimal({2 * digits}, {digits})"
    return _TYPES[Kind.DECIMAL]


def _array(annotation: Any) -> str | None:  # Any: as above
    """The array of a list, set or open tuple of plain values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (list, set, frozenset) or (origin is tuple and arguments[1:] == (Ellipsis,)):
        element = _ELEMENTS.get(arguments[0]) or _array(arguments[0])
        return None if element is None else f"Array({element})"
    return None
