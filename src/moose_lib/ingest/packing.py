"""From records to the requests that carry them: encoded, checked as the server checks them, and divided.

What does not fit fails the whole, is left out, or travels with the rest, as the caller's `InsertOptions` say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from moose_lib.core_schemas import Schema, complete_schema, parts_of
from moose_lib.dmv2.deliveries import FailedRecord
from moose_lib.dmv2.olap import InsertOptions
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


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Requests, and the faults of the records that do not fit, by index; `left_out` of these are in no request."""

    packets: Sequence[Packet]
    faults: Mapping[int, Sequence[FieldFault]]
    left_out: int

    @property
    def failed(self) -> tuple[FailedRecord, ...]:
        """The records that do not fit, in their order."""
        return tuple(FailedRecord(index=it, reason="; ".join(map(str, found))) for it, found in self.faults.items())


def pack(endpoint: Endpoint, records: Iterable[Record], options: InsertOptions) -> Packed:
    """Requests for the records, the same for the same records.

    Raises:
        InvalidRecords: some do not fit the model, or more than may; has all faults.
    """
    judge = _Judge(endpoint, is_asked=options.validate)
    packets, faults = list[Packet](), dict[int, list[FieldFault]]()
    begin = left_out = 0
    for texts in _divided(_encoded(endpoint.model, records, judge.unwritable)):
        found = judge.faults(texts, begin)
        faults |= found
        dropped = judge.unwritable if options.strategy == "isolate" else found
        sent = [text for index, text in enumerate(texts, begin) if index not in dropped]
        left_out += len(texts) - len(sent)
        begin += len(texts)
        if options.strategy == "fail-fast" and faults:
            packets.clear()  # nothing is sent; what is left is only checked
        elif sent:
            packets.append(Packet(body=b"[" + b",".join(sent) + b"]", count=len(sent)))
    if (limit := _exceeded(len(faults), begin, options)) is not None:
        told = [(index, fault) for index, several in faults.items() for fault in several]
        raise InvalidRecords(endpoint.key, endpoint.model.__name__, told, limit)
    return Packed(packets=packets, faults=faults, left_out=left_out)


def _exceeded(failed: int, count: int, options: InsertOptions) -> str | None:
    """The limit that so many failed records exceed."""
    if options.strategy == "fail-fast":
        return "" if failed else None
    for name, value, found in (
        ("allow_errors", options.allow_errors, failed),
        ("allow_errors_ratio", options.allow_errors_ratio, failed / max(count, 1)),
    ):
        if value is not None and found > value:
            return f"{name}={value:g}"
    return None


def _encoded(model: type[BaseModel], records: Iterable[Record], unwritable: dict[int, FieldFault]) -> Iterator[bytes]:
    """Each record as JSON; one that cannot be is `null`, which no model takes, and the fault is told instead."""
    for index, record in enumerate(records):
        try:
            yield _json(model, record)
        except _Changed as error:
            unwritable[index] = FieldFault(path="", reason=str(error))
            yield b"null"
        except (PydanticSerializationError, TypeError, ValueError) as error:
            unwritable[index] = FieldFault(path="", reason=f"cannot be written as JSON: {error}")
            yield b"null"


class _Changed(Exception):
    """A model writes a record such that it reads another one."""

    def __init__(self, names: Sequence[str]) -> None:
        told = ", ".join(names) or "a nested field"
        super().__init__(
            f"{told}: would be lost, as the model excludes it, or writes it under a name it does not read; send a dict"
        )


def _json(model: type[BaseModel], record: Record) -> bytes:
    """JSON of which the model makes the same record; infinity is no null.

    Raises:
        _Changed: there is none.
    """
    plain = record.model_dump(by_alias=True, round_trip=True) if isinstance(record, BaseModel) else record
    bytes_mode = model.model_config.get("val_json_bytes", "utf8")
    text = to_json(plain, inf_nan_mode="constants", bytes_mode=bytes_mode)
    if isinstance(record, BaseModel) and _may_change(type(record)):
        _compare(record, text)
    return text


def _compare(record: BaseModel, text: bytes) -> None:
    there = dict[str, Any]()  # Any: fields of any model
    try:
        read = type(record).model_validate_json(text)
        there = read.__dict__
    except ValidationError:
        read = None
    if read != record:
        raise _Changed([name for name, value in record.__dict__.items() if name not in there or there[name] != value])


@cache
def _may_change(model: type[BaseModel]) -> bool:
    """Some field, of a nested model maybe, is not written, or under a name that is not read."""
    parts = [part for part in parts_of(complete_schema(model)) if part["type"] == "model-fields"]
    return any(_is_elsewhere(name, field) for part in parts for name, field in part["fields"].items())


def _is_elsewhere(name: str, field: Schema) -> bool:
    if field.get("serialization_exclude"):
        return True
    return bool(field.get("serialization_alias", name) != field.get("validation_alias", name))


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


@lru_cache(maxsize=128)
def _reader(model: type[BaseModel], is_strict: bool | None) -> RecordReader:
    """Kept, as to make one takes as long as to check dozens of records."""
    return RecordReader(model, is_strict=is_strict)


class _Judge:
    """Says what is wrong with encoded records; not `is_asked`, only of those that have no encoding."""

    def __init__(self, endpoint: Endpoint, *, is_asked: bool) -> None:
        #: By index.
        self.unwritable = dict[int, FieldFault]()
        self._reader = _reader(endpoint.model, endpoint.is_strict)
        self._rows = RowMaker(endpoint.table.model)
        self._is_asked = is_asked

    def faults(self, texts: Sequence[bytes], begin: int) -> dict[int, list[FieldFault]]:
        """The faults of those that do not fit, in their order; the first one has the index `begin`."""
        found = self._found(texts) if self._is_asked else {}
        by_index = {begin + position: faults for position, faults in found.items()}
        by_index |= {it: [self.unwritable[it]] for it in range(begin, begin + len(texts)) if it in self.unwritable}
        return dict(sorted(by_index.items()))

    def _found(self, texts: Sequence[bytes]) -> dict[int, list[FieldFault]]:
        try:
            records = self._reader.read(b"[" + b",".join(texts) + b"]")
        except UnreadableBody as error:  # of one that is too deep, say
            if len(texts) == 1:
                return {0: [FieldFault(path="", reason=error.reason)]}
            return {position: it[0] for position, text in enumerate(texts) if (it := self._found([text]))}
        found = {refused.index: list(refused.faults) for refused in records.refused}
        for position, record in zip(records.positions, records.accepted, strict=True):
            try:
                self._rows.row(record)
            except UnstorableRecord as error:
                found[position] = [error.fault]
        return found
