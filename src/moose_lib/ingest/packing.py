"""From records to the requests that carry them: encoded, checked as the server checks them, and divided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from moose_lib.faults import FieldFault
from moose_lib.ingest.columns import RowMaker
from moose_lib.ingest.errors import InvalidRecords, UnreadableBody, UnstorableRecord
from moose_lib.ingest.reading import RecordReader
from moose_lib.plan.endpoints import Endpoint

#: What one request carries at most; far below what a server takes by default.
_RECORDS: Final = 5_000
_BYTES: Final = 4 * 1024 * 1024

Record = BaseModel | Mapping[str, Any]  # Any: checked against the model


@dataclass(frozen=True, kw_only=True)
class Packet:
    """The body of one request: a JSON array of so many records."""

    body: bytes
    count: int


def pack(endpoint: Endpoint, records: Iterable[Record]) -> list[Packet]:
    """Requests for the records, the same for the same records.

    Raises:
        InvalidRecords: some do not fit the model; has all faults.
    """
    faults = list[tuple[int, FieldFault]]()
    packets, begin = list[Packet](), 0
    reader = RecordReader(endpoint.model, is_strict=endpoint.is_strict)
    rows = RowMaker(endpoint.table.model)
    unwritable = dict[int, FieldFault]()
    for texts in _divided(_encoded(endpoint.model, records, unwritable)):
        packet = Packet(body=b"[" + b",".join(texts) + b"]", count=len(texts))
        for index, fault in _faults(reader, rows, packet):
            faults.append((begin + index, unwritable.get(begin + index, fault)))
        packets.append(packet)
        begin += len(texts)
        if faults:
            packets.clear()  # nothing is sent; what is left is only checked
    if faults:
        raise InvalidRecords(endpoint.key, endpoint.model.__name__, faults)
    return packets


def _encoded(model: type[BaseModel], records: Iterable[Record], unwritable: dict[int, FieldFault]) -> Iterator[bytes]:
    """Each record as JSON; one that cannot be is `null`, which no model takes, and the fault is told instead."""
    for index, record in enumerate(records):
        try:
            yield _json(model, record)
        except (PydanticSerializationError, TypeError, ValueError) as error:
            unwritable[index] = FieldFault(path="", reason=f"cannot be written as JSON: {error}")
            yield b"null"


def _json(model: type[BaseModel], record: Record) -> bytes:
    """JSON of which the model makes the same record; infinity is no null."""
    if isinstance(record, BaseModel):
        record = record.model_dump(by_alias=True, round_trip=True)
    bytes_mode = model.model_config.get("val_json_bytes", "utf8")
    return to_json(record, inf_nan_mode="constants", bytes_mode=bytes_mode)


def _divided(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    part, size = list[bytes](), 0
    for text in texts:
        if part and (len(part) == _RECORDS or size + len(text) > _BYTES):
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text) + 1
    if part:
        yield part


def _faults(reader: RecordReader, rows: RowMaker, packet: Packet) -> Iterator[tuple[int, FieldFault]]:
    try:
        records = reader.read(packet.body)
    except UnreadableBody as error:
        yield 0, FieldFault(path="", reason=error.reason)
        return
    for refused in records.refused:
        yield from ((refused.index, fault) for fault in refused.faults)
    for position, record in zip(records.positions, records.accepted, strict=True):
        try:
            rows.row(record)
        except UnstorableRecord as error:
            yield position, error.fault
