"""Many values in one payload, so that together they can travel by reference.

Temporal limits what one call carries, and only single payloads can be stored outside of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import TypeAdapter
from temporalio.common import RawValue

from moose_lib.engine import wire

#: Payloads of this size travel by reference, and values that are as large together are packed into one.
INLINE_LIMIT: Final = 256 * 1024

_REFERENCE_SIZE: Final = 512

_SIZES: Final = TypeAdapter(list[int])


def pack(values: Iterable[bytes]) -> bytes:
    """One text of bytes: the sizes as a line of JSON, then the values one after the other."""
    values = list(values)
    return json.dumps([len(value) for value in values]).encode() + b"\n" + b"".join(values)


def unpack(data: bytes) -> list[bytes]:
    """The values that `pack` put together."""
    head, _, rest = data.partition(b"\n")
    values, start = list[bytes](), 0
    for size in _SIZES.validate_json(head):
        values.append(rest[start : start + size])
        start += size
    return values


def inline_size(value: RawValue) -> int:
    """The bytes that a value takes in a message or in the history: few if it travels by reference."""
    size = len(value.payload.data)
    return size if size < INLINE_LIMIT else _REFERENCE_SIZE


def as_arguments(values: Sequence[RawValue]) -> tuple[list[RawValue], bool]:
    """The values as arguments of a call, and whether they had to be packed into one."""
    size = sum(len(value.payload.data) for value in values)
    if len(values) < 2 or size < INLINE_LIMIT:  # a single one travels by reference as it is
        return list(values), False
    return [wire.bytes_value(pack(value.payload.data for value in values))], True


def from_arguments(arguments: Sequence[RawValue], *, is_packed: bool) -> list[bytes]:
    """The values of a call, in order."""
    if is_packed:
        return unpack(arguments[0].payload.data)
    return [value.payload.data for value in arguments]
