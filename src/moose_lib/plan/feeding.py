"""The input of a task as JSON, from the values of a run: what is recorded, put together as the task gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moose_lib.plan.model import Source, ValueRef
from moose_lib.plan.result import json_list, json_object


def missing_values(source: Source, run_input: bytes | None, outputs: Mapping[str, bytes]) -> tuple[ValueRef, ...]:
    """The values of `source` that are not there, each once."""
    absent = [ref for ref in source.values if _value(ref, run_input, outputs) is None]
    return tuple(dict.fromkeys(absent))


def values_of(source: Source, run_input: bytes | None, outputs: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """The values to hand over, in the order of `source`; KeyError if one is missing."""
    found = list[bytes]()
    for ref in source.values:
        value = _value(ref, run_input, outputs)
        if value is None:
            raise KeyError(ref)
        found.append(value)
    return tuple(found)


def put_together(source: Source, values: Sequence[bytes]) -> bytes | None:
    """One JSON text from the values of `source`, in its order; None for a task that takes nothing of the run."""
    if not source.values:
        return None
    if source.kind != "assembled":
        return values[0]
    members, position = dict[str, bytes](), 0
    for field in source.fields:
        taken = tuple(values[position : position + len(field.values)])
        position += len(field.values)
        members[field.field] = json_list(taken) if field.is_list else taken[0]
    return json_object(members)


def _value(ref: ValueRef, run_input: bytes | None, outputs: Mapping[str, bytes]) -> bytes | None:
    return run_input if ref.task is None else outputs.get(ref.task)
