"""Single values in Temporal's payloads, through the client's converter, so that codecs and references are undone."""

from __future__ import annotations

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from moose_lib.engine.wire import json_of

__all__ = ["read_json", "read_raw"]


async def read_json(converter: DataConverter, payload: Payload) -> bytes | None:
    """Return the JSON text of a payload; None where it is no JSON."""
    return json_of(await _decoded(converter, payload))


async def read_raw(converter: DataConverter, payload: Payload) -> bytes:
    """Return the bytes of a payload, whatever they are."""
    return (await _decoded(converter, payload)).payload.data


async def _decoded(converter: DataConverter, payload: Payload) -> RawValue:
    copy = Payload()
    copy.CopyFrom(payload)  # a codec may change it in place
    value: RawValue = (await converter.decode([copy], [RawValue]))[0]
    return value
