"""Types as a user writes them: without the modules they come from."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

__all__ = ["example_input", "fields_text", "type_name"]


def type_name(annotation: Any) -> str:  # Any: whatever can stand behind a field's colon
    """`list[Item]`, `dict[str, int]`, `Item | None`."""
    origin, members = get_origin(annotation), get_args(annotation)
    if annotation is types.NoneType:
        return "None"
    if origin is Annotated:
        return type_name(members[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, members))}]"
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_name, members))
    if origin is not None:
        return f"{type_name(origin)}[{', '.join(map(_member_name, members))}]"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _member_name(member: Any) -> str:  # Any: as above
    return "..." if member is Ellipsis else type_name(member)


def fields_text(model: type[BaseModel]) -> str:
    """Write all fields for people: `order_id: str, note: str (optional)`."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return ", ".join(
        f"{name}: {type_name(field.annotation)}{'' if field.is_required() else ' (optional)'}"
        for name, field in fields.items()
    )


def example_input(model: type[BaseModel]) -> str:
    """Write the fields that must be given, each with its type: `{"order_id": <str>}`."""
    fields = {field.alias or name: field for name, field in model.model_fields.items() if field.is_required()}
    return "{" + ", ".join(f'"{name}": <{type_name(field.annotation)}>' for name, field in fields.items()) + "}"
