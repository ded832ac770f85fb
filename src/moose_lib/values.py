"""Values of tasks as JSON, both ways, through the declared models.

What one task returns, the next one receives equal: outputs are written by field name, `bytes` as base64 where the
model does not say otherwise (pydantic's default fails on bytes that are not UTF-8), and read back the same way. The
run's input comes from people and is read exactly as its model says.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, SchemaSerializer, SchemaValidator

from moose_lib.errors import FieldFault, InvalidInput, InvalidOutput

_JSON_NULL = b"null"


@dataclass(frozen=True, kw_only=True)
class _Codec:
    """How one model travels between tasks."""

    validator: Any  # Any: pydantic-core's class, or the wrapper that pydantic puts round it for plug-ins
    serializer: SchemaSerializer
    drops_computed: bool
    extra: Literal["ignore"] | None


def read_run_input(model: type[BaseModel] | None, data: bytes | None) -> BaseModel | None:
    """The run's input from JSON that a person or another program wrote.

    No data and JSON `null` mean no input: right for a starting task without one, and for a model that has only
    defaults.

    Raises:
        InvalidInput: not JSON, or not what the model says, with a path and a reason for each field.
    """
    text = _JSON_NULL if data is None or not data.strip() else data.strip()
    if model is None:
        if text in (_JSON_NULL, b"{}"):
            return None
        fault = FieldFault(path="", reason="the starting task takes no input")
        raise InvalidInput("the run", "None", [fault], hint="start it without an input")
    if text == _JSON_NULL and not model.__pydantic_root_model__:
        text = b"{}"
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput("the run", model.__name__, field_faults(error)) from None


def read_value(task: str, model: type[BaseModel], data: bytes) -> BaseModel:
    """An input of `task` that was written by `write_output`.

    Raises:
        InvalidInput: the value does not fit the model (of now; it was written by the code of then).
    """
    codec = _codec(model)
    try:
        value: BaseModel = codec.validator.validate_json(data, by_alias=True, by_name=True, extra=codec.extra)
    except ValidationError as error:
        raise InvalidInput(f"task {task!r}", model.__name__, field_faults(error)) from None
    return value


def write_output(task: str, model: type[BaseModel] | None, value: object) -> bytes:
    """JSON of what the handler of `task` returned.

    An object that is not a `model` is accepted if it validates as one (a dict, say).

    Raises:
        InvalidOutput: it does not validate, or a field holds something that its type does not allow.
    """
    if model is None:
        if value is None:
            return _JSON_NULL
        reason = f"the handler returned {type(value).__name__}, the task is declared to return nothing"
        raise InvalidOutput(task, "None", [FieldFault(path="", reason=reason)])
    codec = _codec(model)
    try:
        checked = value if isinstance(value, model) else model.model_validate(value)
        return codec.serializer.to_json(checked, by_alias=False, round_trip=codec.drops_computed, warnings="error")
    except ValidationError as error:
        raise InvalidOutput(task, model.__name__, field_faults(error)) from None
    except PydanticSerializationError as error:
        raise InvalidOutput(task, model.__name__, [FieldFault(path="", reason=_one_line(str(error)))]) from None


def write_run_input(model: type[BaseModel] | None, value: BaseModel | None) -> bytes:
    """JSON of a run's input that is given as a model, written as its model says.

    Raises:
        InvalidInput: it cannot be written as JSON that reads back, such as bytes that are not UTF-8.
    """
    if value is None:
        return _JSON_NULL
    try:
        return value.model_dump_json(by_alias=True, round_trip=True).encode()
    except PydanticSerializationError as error:
        name = type(value).__name__ if model is None else model.__name__
        fault = FieldFault(path="", reason=_one_line(str(error)))
        hint = (
            'bytes that are not UTF-8 need model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")'
        )
        raise InvalidInput("the run", name, [fault], hint=hint) from None


def field_faults(error: ValidationError) -> list[FieldFault]:
    """Pydantic's errors as paths and reasons."""
    return [_field_fault(detail) for detail in error.errors(include_url=False)]


def _field_fault(detail: ErrorDetails) -> FieldFault:
    path = ".".join(str(part) for part in detail["loc"])
    given = detail["input"]
    shown = repr(given) if isinstance(given, str | int | float | bool | None) else type(given).__name__
    match detail["type"]:
        case "missing":
            reason = "is missing"
        case "json_invalid":
            reason = _lower_first(detail["msg"])
        case _:
            reason = f"{_lower_first(detail['msg'])}, got {shown:.60}"
    return FieldFault(path=path, reason=reason)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _one_line(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def _codec(model: type[BaseModel]) -> _Codec:
    model.model_rebuild()  # types that were declared after the model
    schema = model.__pydantic_core_schema__
    parts = list(_parts(schema))
    if any(part.get("type") == "bytes" for part in parts):
        schema = _with_base64(schema)
        # pydantic-core would otherwise take the nested models' own validators, which read bytes as UTF-8.
        validator: Any = SchemaValidator(schema, _use_prebuilt=False)  # Any: as in _Codec
        serializer = SchemaSerializer(schema, _use_prebuilt=False)
    else:
        validator, serializer = model.__pydantic_validator__, model.__pydantic_serializer__
    return _Codec(
        validator=validator,
        serializer=serializer,
        drops_computed=any(_keeps_extra(part) for part in parts),
        extra="ignore" if model.model_config.get("extra") == "forbid" else None,
    )


def _keeps_extra(part: dict[str, Any]) -> bool:  # Any: core schemas are nested dicts of anything
    """Whether a computed field that travels would come back as something else: refused, or as an extra field."""
    if part.get("type") == "json":
        return True
    if part.get("type") != "model" or not part["schema"].get("computed_fields"):
        return False
    return part.get("config", {}).get("extra_fields_behavior") in ("allow", "forbid")


def _parts(schema: Any) -> Iterator[dict[str, Any]]:  # Any: as above
    unvisited: list[Any] = [schema]  # Any: as above
    while unvisited:
        part = unvisited.pop()
        if isinstance(part, dict):
            members = cast("dict[str, Any]", part)  # core schemas have names as keys
            yield members
            unvisited += [value for key, value in members.items() if key not in ("metadata", "cls")]
        elif isinstance(part, list | tuple):
            unvisited += cast("list[Any]", part)  # or a tuple


def _with_base64(schema: Any) -> Any:  # Any: core schemas are a union of a hundred typed dicts
    changed = copy.deepcopy(schema)
    for part in _parts(changed):
        if part.get("type") in ("model", "dataclass", "typed-dict"):
            config = part.setdefault("config", {})
            if "ser_json_bytes" not in config and "val_json_bytes" not in config:
                config |= {"ser_json_bytes": "base64", "val_json_bytes": "base64"}
    return changed
