"""Schemas as pydantic's core has them: looked through, and changed in a copy for validators of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic_core import SchemaValidator

Schema = dict[str, Any]  # Any: core schemas are nested dicts of anything

#: Members of a schema that hold values of users.
_NO_SCHEMAS: Final = ("metadata", "cls", "config", "default", "expected")
#: Those that can end at their first element that does not fit.
_COLLECTIONS: Final = ("list", "tuple", "set", "frozenset", "deque", "dict")
_SECRETS: Final = (Secret, SecretBytes, SecretStr)
#: What pydantic writes for a secret.
MASK: Final = '"**********"'


def complete_schema(model: type[BaseModel]) -> Any:  # Any: core schemas are a union of a hundred typed dicts
    """The schema of a model, also if types were declared after it."""
    model.model_rebuild()
    return model.__pydantic_core_schema__


def parts_of(schema: Any) -> Iterator[Schema]:  # Any: as above
    """Every schema in a schema; not what only looks like one, as the default `{"type": "bytes"}`."""
    unvisited: list[Any] = [schema]  # Any: as above
    while unvisited:
        part = unvisited.pop()
        if isinstance(part, dict):
            members = cast("Schema", part)  # core schemas have names as keys
            is_schema = isinstance(members.get("type"), str)
            if is_schema:
                yield members
            unvisited += [value for key, value in members.items() if not (is_schema and key in _NO_SCHEMAS)]
        elif isinstance(part, list | tuple):
            unvisited += cast("list[Any]", part)  # or a tuple


def copied(schema: Any) -> Any:  # Any: as above
    """The dicts and lists are new, what users put in them is not."""
    if isinstance(schema, dict):
        return {key: copied(value) for key, value in cast("Schema", schema).items()}  # names as keys
    if isinstance(schema, list | tuple):
        members = [copied(value) for value in cast("list[Any]", schema)]  # or a tuple
        return members if isinstance(schema, list) else tuple(members)
    return schema


def first_fault_validator(schema: Any) -> SchemaValidator:  # Any: as above
    """Accepts the same, and tells of each collection the first element alone that does not fit.

    Pydantic takes some 350 bytes for each fault, and `1,1,1,…` of a few megabytes has millions of them. A `mode="wrap"`
    validator may look at all of them, and leave out the elements that do not fit: there they all are found.
    """
    changed = copied(schema)
    parts = list(parts_of(changed))
    if not any(part["type"] == "function-wrap" for part in parts):
        for part in parts:
            if part["type"] in _COLLECTIONS:
                part["fail_fast"] = True
    # pydantic-core would otherwise take what is built for the nested models, which tell all.
    return SchemaValidator(changed, _use_prebuilt=False)


def is_secret(part: Schema) -> bool:
    """Its values are written as `MASK`, unless the model says otherwise."""
    return part["type"] == "is-instance" and part["cls"] in _SECRETS
