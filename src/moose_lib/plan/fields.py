"""The fields of a model as plain text, so that two versions of it can be compared where only one of them is at hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

_Schema = dict[str, Any]  # Any: JSON schema

#: Deeper than this, fields are summed up as an object.
_DEEPEST = 6
_CONSTRAINTS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "enum",
    "const",
)


@lru_cache(maxsize=1024)
def fields_of(model: type[BaseModel]) -> Mapping[str, str]:
    """Every field that an input of `model` can have, by its path, with its type.

    Example:
        >>> fields_of(Order)
        {'order_id': 'string', 'items[].sku': 'string', 'note': 'string or null, optional'}
    """
    try:
        schema = model.model_json_schema(schema_generator=_Quiet)
    except PydanticInvalidForJsonSchema:  # a type of the user's own; such a model is compared by its field names
        return {name: "any" if it.is_required() else "any, optional" for name, it in model.model_fields.items()}
    return dict(_fields(schema, schema.get("$defs", {}), "", 0))


class _Quiet(GenerateJsonSchema):
    """Defaults and what cannot be drawn are no matter here."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012  # declared so


def fingerprint(fields: Mapping[str, str]) -> str:
    """8 hex digits that differ between models whose fields differ."""
    return hashlib.sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()[:8]


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is different, one phrase for each field: "field `currency` added".

    Example:
        >>> changes({"total": "integer"}, {"total": "number", "currency": "string"})
        ['field `total` is number, was integer', 'field `currency` added']
    """
    kept = [path for path in now if path in before]
    return [
        *(f"field `{path}` is {now[path]}, was {before[path]}" for path in kept if now[path] != before[path]),
        *(f"field `{path}` added" for path in now if path not in before),
        *(f"field `{path}` removed" for path in before if path not in now),
    ]


def _fields(schema: _Schema, definitions: _Schema, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """The fields below one schema; a schema without any is a field itself."""
    schema = _resolved(schema, definitions)
    properties: _Schema = schema.get("properties", {})
    if properties and depth < _DEEPEST:
        required = schema.get("required", [])
        for name, part in properties.items():
            below = f"{path}.{name}" if path else name
            for found, kind in _fields(part, definitions, below, depth + 1):
                is_optional = found == below and name not in required
                yield found, f"{kind}, optional" if is_optional else kind
    elif isinstance(schema.get("items"), dict) and depth < _DEEPEST:
        yield from _fields(schema["items"], definitions, f"{path}[]", depth + 1)
    elif isinstance(schema.get("additionalProperties"), dict) and depth < _DEEPEST:
        yield from _fields(schema["additionalProperties"], definitions, f"{path}.*", depth + 1)
    elif path:
        yield path, _type_text(schema, definitions, depth)


def _resolved(schema: _Schema, definitions: _Schema) -> _Schema:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: _Schema = definitions.get(name, {}) if name else schema
    return found


def _type_text(schema: _Schema, definitions: _Schema, depth: int) -> str:
    """`string`, `integer (minimum 0)`, `string or null`."""
    choices: list[_Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    if choices and depth < _DEEPEST:
        return " or ".join(_choice_text(choice, definitions, depth + 1) for choice in choices)
    kind = str(schema.get("format") or schema.get("type") or "any")
    limits = ", ".join(f"{name} {schema[name]}" for name in _CONSTRAINTS if name in schema)
    return f"{kind} ({limits})" if limits else kind


def _choice_text(schema: _Schema, definitions: _Schema, depth: int) -> str:
    fields = dict(_fields(schema, definitions, "", depth))
    if not fields:
        return _type_text(_resolved(schema, definitions), definitions, depth)
    return "{" + ", ".join(f"{path}: {kind}" for path, kind in fields.items()) + "}"
