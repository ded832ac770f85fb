"""Which types fit which: the questions that wiring asks about models and their fields."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True, kw_only=True)
class Need:
    """A field that wiring has to fill: its name, the model it takes, and whether it takes a list of them."""

    field: str
    model: type[BaseModel]
    is_list: bool


def is_model(annotation: object) -> typing.TypeGuard[type[BaseModel]]:
    """Whether this is a pydantic model class."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def needs(model: type[BaseModel]) -> list[Need] | None:
    """The fields without a default, if each of them takes a model or a list of models; else `None`."""
    if model.__pydantic_root_model__:
        return None
    found = list[Need]()
    for name, field in model.model_fields.items():
        if not field.is_required():
            continue
        need = _need(name, field)
        if need is None:
            return None
        found.append(need)
    return found


def structural_gaps(output: type[BaseModel], wanted: type[BaseModel]) -> list[str]:
    """Why an `output` cannot be read as a `wanted`, one reason per field; empty if it can.

    It can if every field that `wanted` needs is there, no shared field has a type that does not fit, and there is a
    shared field at all.
    """
    if output.__pydantic_root_model__ != wanted.__pydantic_root_model__:
        return [f"one of {output.__name__} and {wanted.__name__} is a RootModel"]
    gaps = list[str]()
    is_shared = False
    for name, field in wanted.model_fields.items():
        offered = output.model_fields.get(name)
        if offered is None:
            if field.is_required():
                gaps.append(f"{output.__name__} has no field {name!r}")
            continue
        is_shared = True
        if not fits(offered.annotation, field.annotation):
            gaps.append(f"{name!r} is {_text(offered.annotation)} there and {_text(field.annotation)} here")
    return gaps if gaps or is_shared else [f"{output.__name__} shares no field with it"]


def fits(offered: object, wanted: object) -> bool:
    """Whether every value annotated `offered` is one that `wanted` takes; in doubt, no."""
    offered, wanted = _bare(offered), _bare(wanted)
    if wanted is typing.Any or wanted is object or offered == wanted:
        return True
    if _is_union(offered):
        return all(fits(member, wanted) for member in typing.get_args(offered))
    if _is_union(wanted):
        return any(fits(offered, member) for member in typing.get_args(wanted))
    offered_origin, wanted_origin = typing.get_origin(offered), typing.get_origin(wanted)
    if offered_origin is typing.Literal:
        return all(_literal_fits(value, wanted) for value in typing.get_args(offered))
    if wanted_origin is not None and offered_origin is not None:
        return _generics_fit(offered, offered_origin, wanted, wanted_origin)
    if isinstance(offered, type) and isinstance(wanted, type):
        is_cut_short = issubclass(offered, datetime) and not issubclass(wanted, datetime)  # a date takes no hours
        return (issubclass(offered, wanted) and not is_cut_short) or (offered is int and wanted is float)
    return isinstance(wanted, type) and isinstance(offered_origin, type) and issubclass(offered_origin, wanted)


def _literal_fits(value: object, wanted: object) -> bool:
    if typing.get_origin(wanted) is typing.Literal:
        return value in typing.get_args(wanted)
    return isinstance(wanted, type) and isinstance(value, wanted)


def _generics_fit(offered: object, offered_origin: object, wanted: object, wanted_origin: object) -> bool:
    if offered_origin is not wanted_origin:
        return False
    ours, theirs = typing.get_args(offered), typing.get_args(wanted)
    return len(ours) == len(theirs) and all(fits(o, w) for o, w in zip(ours, theirs, strict=True))


def _need(name: str, field: FieldInfo) -> Need | None:
    annotation = _without_none(field.annotation)
    if is_model(annotation):
        return Need(field=name, model=annotation, is_list=False)
    if typing.get_origin(annotation) is list:
        member = _bare(next(iter(typing.get_args(annotation)), None))  # `typing.List` has none
        return Need(field=name, model=member, is_list=True) if is_model(member) else None
    return None


def _without_none(annotation: object) -> object:
    if not _is_union(annotation):
        return annotation
    members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
    return members[0] if len(members) == 1 else annotation


def _bare(annotation: object) -> object:
    """Without what `Annotated` adds: constraints are checked when there is a value."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _text(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
