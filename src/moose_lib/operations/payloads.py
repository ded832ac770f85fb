"""Single values in Temporal's payloads, through the client's converter, so that codecs and references are undone."""

from __future__ import annotations

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from moose_lib.engine.wire import json_of

__all__ = ["read_json"]


async def read_json(converter: DataConverter, payload: Payload) -> bytes | None:
    """Return the JSON text of a payload; None where it is no JSON."""
    copy = Payload()
    copy.CopyFrom(payload)  # a codec may change it in place
    value: RawValue = (await converter.decode([copy], [RawValue]))[0]
    return json_of(value)
