"""Values of tasks as JSON, both ways, through the declared models.

What one task returns, the next one receives equal: outputs are written by field name, `bytes` as base64 and `nan` as
text where the model does not say otherwise (pydantic's defaults fail on bytes that are not UTF-8, and turn `nan` into
`null`), and read back the same way. The run's input comes from people and is read exactly as its model says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, SchemaSerializer, SchemaValidator

from moose_lib.core_schemas import MASK, Schema, complete_schema, copied, is_secret, parts_of
from moose_lib.errors import FieldFault, InvalidInput, InvalidOutput

_JSON_NULL = b"null"

#: Faults of one value that are told one by one.
MOST_FAULTS = 1000


@dataclass(frozen=True, kw_only=True)
class _Codec:
    """How one model travels between tasks."""

    validator: Any  # Any: pydantic-core's class, or the wrapper that pydantic puts round it for plug-ins
    serializer: SchemaSerializer
    drops_computed: bool
    has_secrets: bool


def read_run_input(model: type[BaseModel] | None, data: bytes | None) -> BaseModel | None:
    """The run's input from JSON that a person or another program wrote.

    No data and JSON `null` mean no input: right for a starting task without one, and for a model that has only
    defaults.

    Raises:
        InvalidInput: not JSON, or not what the model says, with a path and a reason for each field.
    """
    return _from_run(model, data, None if model is None else model.model_validate_json)


def reread_run_input(model: type[BaseModel], data: bytes) -> BaseModel | None:
    """The run's input for a task behind the first one, whose model may be a base class with fewer fields.

    Raises:
        InvalidInput: it does not fit the model (of now; the run's input was checked by the code of then).
    """
    return _from_run(model, data, _tolerant(model))


def _from_run(
    model: type[BaseModel] | None, data: bytes | None, read: Callable[[bytes], BaseModel] | None
) -> BaseModel | None:
    text = b"" if data is None else data.strip()
    is_absent = text in (b"", _JSON_NULL)
    if model is None or read is None:
        if is_absent or text == b"{}":
            return None
        fault = FieldFault(path="", reason="the starting task takes no input")
        raise InvalidInput("the run", "None", [fault], hint="start it without an input")
    try:
        if is_absent and not model.__pydantic_root_model__:
            return read(b"{}")
        if not text and not model.model_fields["root"].is_required():
            return model()
        return read(text or _JSON_NULL)
    except ValidationError as error:
        raise InvalidInput("the run", model.__name__, field_faults(error)) from None


def settle_output(task: str, model: type[BaseModel] | None, data: bytes) -> bytes:
    """The output of `task` as it travels between tasks, from JSON that a person gave.

    Raises:
        InvalidOutput: it does not fit the model.
    """
    if model is None:
        return write_output(task, None, None if data == _JSON_NULL else json.loads(data))
    try:
        value = read_run_input(model, data)
    except InvalidInput as error:
        raise InvalidOutput(task, model.__name__, error.faults) from None
    return write_output(task, model, value)


def read_value(task: str, model: type[BaseModel], data: bytes) -> BaseModel:
    """An input of `task` that was written by `write_output`.

    Raises:
        InvalidInput: the value does not fit the model (of now; it was written by the code of then).
    """
    try:
        value: BaseModel = _codec(model).validator.validate_json(data, by_alias=True, by_name=True)
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
    try:
        checked = value if isinstance(value, model) else model.model_validate(value)
        return write_value(model, checked)
    except ValidationError as error:
        raise InvalidOutput(task, model.__name__, field_faults(error)) from None
    except (PydanticSerializationError, _Hidden) as error:
        raise InvalidOutput(task, model.__name__, [FieldFault(path="", reason=_one_line(str(error)))]) from None


def write_value(model: type[BaseModel], value: BaseModel) -> bytes:
    """JSON of `value` as it travels between tasks."""
    codec = _codec(model)
    data = codec.serializer.to_json(value, by_alias=False, round_trip=codec.drops_computed, warnings="error")
    _refuse_stars(codec, data)
    return data


def write_run_input(model: type[BaseModel] | None, value: BaseModel | None) -> bytes:
    """JSON of a run's input that is given as a model, such that `read_run_input` reads it as the same.

    Raises:
        InvalidInput: it is another model, or there is no such JSON, as for bytes that are not UTF-8.
    """
    if value is None:
        return _JSON_NULL
    name = type(value).__name__ if model is None else model.__name__
    if model is not None and not isinstance(value, model):
        raise InvalidInput("the run", name, [FieldFault(path="", reason=f"it is a {type(value).__name__}")])
    try:
        texts = [value.model_dump_json(by_alias=by_alias, round_trip=True).encode() for by_alias in (True, False)]
        _refuse_stars(_codec(type(value)), texts[0])
    except (PydanticSerializationError, _Hidden) as error:
        fault = FieldFault(path="", reason=_one_line(str(error)))
        hint = (
            'bytes that are not UTF-8 need model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")'
        )
        hint = hint if isinstance(error, PydanticSerializationError) else "give the input as JSON"
        raise InvalidInput("the run", name, [fault], hint=hint) from None
    return next((text for text in texts if _reads_as(value, text)), texts[0])


def settle_run_input(model: type[BaseModel], data: bytes | None) -> bytes:
    """The same JSON for inputs that mean the same to the model: spelling, defaults and `1.0` for `1` do not matter.

    What the model cannot write such that it reads the same (an excluded field, a fresh default each time), or writes in
    any order (a set), stays as given.

    Raises:
        InvalidInput: as `read_run_input`.
    """
    given = b"null" if data is None else data
    value, again = read_run_input(model, data), read_run_input(model, data)
    if value is None or value != again or _has_sets(model):
        return given
    try:
        settled = write_run_input(model, value)
    except InvalidInput:
        return given
    return settled if _reads_as(value, settled) else given


def field_faults(error: ValidationError) -> list[FieldFault]:
    """Pydantic's errors as paths and reasons; of very many only the number, as they would take gigabytes."""
    count = error.error_count()
    if count > MOST_FAULTS:
        return [FieldFault(path="", reason=f"{count:,} values do not fit")]
    return [_field_fault(detail) for detail in error.errors(include_url=False)]


class _Hidden(ValueError):
    """Pydantic writes a secret as stars: whoever reads it gets the stars."""

    def __init__(self) -> None:
        super().__init__("a secret field is written as '**********', so it cannot be passed on; make it a str")


def _refuse_stars(codec: _Codec, data: bytes) -> None:
    if codec.has_secrets and MASK.encode() in data:
        raise _Hidden


def _reads_as(value: BaseModel, text: bytes) -> bool:
    try:
        return type(value).model_validate_json(text) == value
    except ValidationError:
        return False


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
            reason = _lower_first(detail["msg"])
            reason += "" if _is_about_all(detail) else f", got {shown:.60}"
    return FieldFault(path=path, reason=reason)


def _is_about_all(detail: ErrorDetails) -> bool:
    """A validator of the model refuses the value as a whole, which is of the right type: to name that says nothing."""
    return not detail["loc"] and isinstance(detail["input"], dict | BaseModel) and not detail["type"].endswith("_type")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _one_line(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def _codec(model: type[BaseModel]) -> _Codec:
    schema = complete_schema(model)
    parts = list(parts_of(schema))
    validator: Any = model.__pydantic_validator__  # Any: as in _Codec
    serializer = model.__pydantic_serializer__
    is_read_differently = any(part["type"] == "bytes" or _forbids(part) for part in parts)
    if is_read_differently or any(part["type"] == "float" or _is_lost(part) for part in parts):
        schema = copied(schema)
        for part in parts_of(schema):
            _let_travel(part)
            _forbid_nothing(part)
        # pydantic-core would otherwise take what is built for the nested models, and read their bytes as UTF-8.
        serializer = SchemaSerializer(schema, _use_prebuilt=False)
        validator = SchemaValidator(schema, _use_prebuilt=False) if is_read_differently else validator
    return _Codec(
        validator=validator,
        serializer=serializer,
        drops_computed=any(_keeps_computed(part) for part in parts),
        has_secrets=any(is_secret(part) for part in parts),
    )


@lru_cache(maxsize=4096)
def _tolerant(model: type[BaseModel]) -> Callable[[bytes], BaseModel]:
    """Reads JSON as the model says, but overlooks fields that it forbids."""
    schema = complete_schema(model)
    if not any(_forbids(part) for part in parts_of(schema)):
        return model.model_validate_json
    schema = copied(schema)
    for part in parts_of(schema):
        _forbid_nothing(part)
    read: Callable[[bytes], BaseModel] = SchemaValidator(schema, _use_prebuilt=False).validate_json
    return read


def _is_lost(part: Schema) -> bool:
    """A field that dumps leave out, and without which the model cannot be read back."""
    is_excluded = part.get("serialization_exclude") or part.get("serialization_exclude_if") is not None
    return part["type"] == "model-field" and bool(is_excluded) and part["schema"]["type"] != "default"


def _forbids(part: Schema) -> bool:
    """Another model's output may have more fields than the task's input; it is read all the same."""
    return "forbid" in (part.get("extra_behavior"), part.get("config", {}).get("extra_fields_behavior"))


def _forbid_nothing(part: Schema) -> None:
    if part.get("extra_behavior") == "forbid":
        part["extra_behavior"] = "ignore"
    if part.get("config", {}).get("extra_fields_behavior") == "forbid":
        part["config"]["extra_fields_behavior"] = "ignore"


def _let_travel(part: Schema) -> None:
    if _is_lost(part):
        part.pop("serialization_exclude", None)
        part.pop("serialization_exclude_if", None)
    if part["type"] in ("model", "dataclass", "typed-dict"):
        config = part.setdefault("config", {})
        config.setdefault("ser_json_inf_nan", "strings")
        if "ser_json_bytes" not in config and "val_json_bytes" not in config:
            config |= {"ser_json_bytes": "base64", "val_json_bytes": "base64"}


def _keeps_computed(part: Schema) -> bool:
    """Whether a computed field that travels would come back as an extra one; JSON inside JSON needs the same mode."""
    if part["type"] == "json":
        return True
    if part["type"] != "model" or not part["schema"].get("computed_fields"):
        return False
    return bool(part.get("config", {}).get("extra_fields_behavior") == "allow")


def _has_sets(model: type[BaseModel]) -> bool:
    return any(part["type"] in ("set", "frozenset") for part in parts_of(complete_schema(model)))
