"""Keys of an input that its model does not know: pydantic overlooks them, and mostly they are typing mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel
from pydantic.fields import FieldInfo

__all__ = ["UnknownField", "unknown_fields", "unknown_fields_notes", "unknown_keys"]

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class UnknownField:
    """A key that `model` overlooked: where it stands, and the field that was probably meant."""

    model: str
    path: str
    meant: str | None

    def __str__(self) -> str:
        return self.path if self.meant is None else f"{self.path} (did you mean {self.meant}?)"


def unknown_fields_notes(value: BaseModel, given: object) -> list[str]:
    """Return a sentence for each model that overlooked fields of the JSON `given`, which was read as `value`.

    Not for models that keep extra fields, and not for those with a validator of their own that sees the whole JSON.
    """
    by_model = dict[str, list[UnknownField]]()
    for unknown in _in_value(value, given, ""):
        by_model.setdefault(unknown.model, []).append(unknown)
    return [f"the input has fields that {model} does not know: {_listed(found)}" for model, found in by_model.items()]


def unknown_fields(value: BaseModel, given: object) -> Iterator[UnknownField]:
    """The fields of the JSON `given` that the model of `value` overlooked; for the same models as above."""
    yield from _in_value(value, given, "")


def unknown_keys(model: type[BaseModel], given: object) -> Iterator[UnknownField]:
    """The keys of the JSON `given` that `model` would overlook, for a record that did not fit it.

    Only those of the record itself: what does not fit does not show which models were meant further down. Not for
    models that forbid extra fields, as there each one is a fault already.
    """
    if isinstance(given, dict) and not issubclass(model, RootModel) and model.model_config.get("extra") != "forbid":
        yield from _in_keys(model, cast("dict[str, object]", given), "")  # JSON has no other keys


def _listed(found: list[UnknownField]) -> str:
    more = len(found) - _SHOWN
    return ", ".join(map(str, found[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _in_value(value: object, given: object, path: str) -> Iterator[UnknownField]:
    """Follow the value, not the types: it shows which member of a union was meant."""
    if isinstance(value, RootModel):
        yield from _in_value(cast("RootModel[object]", value).root, given, path)  # what its root is, is looked at
    elif isinstance(value, BaseModel) and isinstance(given, dict):
        yield from _in_model(value, cast("dict[str, object]", given), path)  # JSON has no other keys
    else:
        for key, member, text in _members(value, given):
            yield from _in_value(member, text, f"{path}{key}.")


def _members(value: object, given: object) -> Iterator[tuple[object, object, object]]:
    if isinstance(value, dict) and isinstance(given, dict):
        texts = cast("dict[object, object]", given)  # members are looked at one by one
        values = cast("dict[object, object]", value)  # as above
        yield from ((key, member, texts.get(key)) for key, member in values.items())
    elif isinstance(value, list | tuple) and isinstance(given, list):
        members = cast("list[object]", value)  # or a tuple
        pairs = zip(members, cast("list[object]", given), strict=False)  # a validator may have dropped some
        yield from ((number, member, text) for number, (member, text) in enumerate(pairs))


def _in_model(value: BaseModel, given: dict[str, object], path: str) -> Iterator[UnknownField]:
    model = type(value)
    yield from _in_keys(model, given, path)
    for name, field in model.model_fields.items():
        for spelling in _names(name, field, model) & given.keys():
            yield from _in_value(getattr(value, name), given[spelling], f"{path}{spelling}.")


def _in_keys(model: type[BaseModel], given: dict[str, object], path: str) -> Iterator[UnknownField]:
    if _reads_more(model):
        return
    known = {spelling for name, field in model.model_fields.items() for spelling in _names(name, field, model)}
    for key in given:
        if key not in known:
            close = get_close_matches(key, known - given.keys(), n=1)
            yield UnknownField(model=model.__name__, path=f"{path}{key}", meant=close[0] if close else None)


def _reads_more(model: type[BaseModel]) -> bool:
    validators = model.__pydantic_decorators__.model_validators.values()
    return model.model_config.get("extra") == "allow" or any(it.info.mode != "after" for it in validators)


def _names(name: str, field: FieldInfo, model: type[BaseModel]) -> set[str]:
    """The keys that a field is read from."""
    alias = field.validation_alias
    if alias is None:
        return {name}
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    found = {str(it.path[0]) if isinstance(it, AliasPath) else it for it in choices}
    config = model.model_config
    return found | {name} if config.get("validate_by_name") or config.get("populate_by_name") else found
