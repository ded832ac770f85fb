"""`POST /ingest/<name>[/<version>]`: records in, an answer when they are committed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import Final
from urllib.parse import unquote

from pydantic import BaseModel
from starlette.responses import Response

from moose_lib.faults import FieldFault
from moose_lib.ingest.bulk import rows_of
from moose_lib.ingest.columns import Cell, RowMaker
from moose_lib.ingest.errors import (
    KeyReused,
    PlaceTaken,
    StoreBusy,
    StoreFailed,
    TooManyRecords,
    UnreadableBody,
    UnstorableRecord,
)
from moose_lib.ingest.letters import Judge
from moose_lib.ingest.reading import Format, RecordReader, Records, Refused, texts_of
from moose_lib.ingest.store import Batch, Idempotency, Receipt, RejectedRecord, Store
from moose_lib.observing.serving import ServerMetrics
from moose_lib.plan.endpoints import Endpoint
from moose_lib.server.bodies import BodyReader
from moose_lib.server.edge import ROUTE
from moose_lib.server.incoming import Incoming
from moose_lib.server.receipts import Outcome, answer, success, unreadable, wants_detail
from moose_lib.server.refusals import (
    BodyTooLarge,
    EmptyHeader,
    IdempotencyConflict,
    PlaceConflict,
    ServerBusy,
    StoreUnavailable,
    UnknownModel,
)

_logger: Final = logging.getLogger(__name__)
_NDJSON: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
_ERROR_TYPE: Final = "ValidationError"
#: Headers that say which request this is.
_NAMING: Final = {
    b"idempotency-key": "Idempotency-Key",
    b"moose-place": "Moose-Place",
    b"moose-attempt": "Moose-Attempt",
}
#: Bodies above this, in bytes or in what stands between values, are read in a thread, one at a time: the others are
#: answered meanwhile, and what records take in memory beside their text is taken once.
_LARGE: Final = 256 * 1024
_MANY: Final = 20_000
#: About what a cell takes in memory while it waits to be written.
_CELL_BYTES: Final = 64


@dataclass(frozen=True, kw_only=True)
class Target:
    """An endpoint, ready to read its requests: `route` is its name in the metrics, `queue` that of its dead letters."""

    endpoint: Endpoint
    reader: RecordReader
    rows: RowMaker
    judge: Judge
    key: str
    route: str
    queue: str | None


@dataclass(frozen=True)
class _Read:
    """What a body brought: rows of the records that can be kept, and the refused ones in their order, twice.

    `accepted` has the good records by their index, if somebody wants to know more of them (`is_detailed`): they take
    the most memory.
    """

    rows: list[tuple[Cell, ...]]
    refused: list[Refused]
    rejected: list[RejectedRecord]
    accepted: Mapping[int, BaseModel]
    is_detailed: bool


class Targets:
    """The endpoints by path, whatever its case; a bare name means its highest version."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        endpoints = sorted(endpoints, key=lambda it: _numbers(it.version))
        targets = {it.key: _target(it) for it in endpoints}
        self._targets = tuple(targets.values())
        self._labels = {it.path.removeprefix("ingest/"): it.name for it in endpoints}
        unversioned = {f"ingest/{it.name}".lower(): targets[it.key] for it in endpoints if it.version is not None}
        self._by_path = unversioned | {it.path.lower(): targets[it.key] for it in endpoints}

    def find(self, path: str) -> Target | None:
        """The endpoint at a path without its leading slash."""
        return self._by_path.get(path.strip("/").lower())

    def unknown(self, path: str) -> UnknownModel:
        """What to say where there is none."""
        asked = path.removeprefix("ingest/").strip("/")
        name = asked.partition("/")[0].lower()
        paths = {its_name.lower(): label for label, its_name in self._labels.items()}  # of its highest version
        if name in paths:  # of another version, or at another path
            meant = [paths[name]]
        else:
            meant = get_close_matches(asked, self._labels, n=1)
            meant = meant or [paths[it] for it in get_close_matches(name, paths, n=1)]
        return UnknownModel(asked, meant, sorted(self._labels))

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets)


class Ingest:
    """Takes requests with records and answers when they are kept."""

    def __init__(
        self, targets: Targets, store: Store, bodies: BodyReader, metrics: ServerMetrics, *, is_partial: bool
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._metrics = metrics
        self._is_partial = is_partial
        for target in targets:
            metrics.prepare(target.key)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="moose-reader")

    async def __call__(self, target: Target, incoming: Incoming) -> Response:
        """Answer a request for `target`.

        Raises:
            Refusal: it is refused as a whole, and nothing of it was kept.
        """
        incoming.scope[ROUTE] = target.route
        with self._bodies.share() as share:
            body = await self._bodies.read(incoming, share)
            form, is_detailed = _format(incoming), wants_detail(incoming)
            try:
                if _is_large(body):
                    read = await self._apart(partial(_read, target, body, form, is_detailed=is_detailed))
                else:
                    read = _read(target, body, form, is_detailed=is_detailed)
            except UnreadableBody as error:
                return unreadable(error, is_detailed=is_detailed)
            except TooManyRecords as error:
                raise BodyTooLarge(error.message) from error
            return await self._keep(incoming, target, body, read, form)

    async def _apart(self, read: Callable[[], _Read]) -> _Read:
        return await asyncio.get_running_loop().run_in_executor(self._thread, read)

    async def _keep(self, incoming: Incoming, target: Target, body: bytes, read: _Read, form: Format) -> Response:
        refused = read.refused
        indexes = {it.index for it in refused}
        keeps_good = not refused or (target.queue is not None and self._is_partial)
        batch = Batch(
            endpoint=target.key,
            table=target.endpoint.table.name,
            rows=read.rows if keeps_good else (),
            rejected=read.rejected,
            queue=target.queue,
            idempotency=_idempotency(incoming, body),
            texts=lambda: [it for index, it in enumerate(texts_of(body, form)) if index not in indexes],
            row_of=target.judge.row,
            size=len(body) + _CELL_BYTES * len(read.rows) * len(target.rows.columns),
        )
        if batch.rows or target.queue is not None:
            receipt = await self._put(batch)
        else:
            receipt = Receipt(stored=0, rejected=len(refused))
        if not receipt.is_repeat:
            stored, rejected = receipt.stored, receipt.rejected
            self._metrics.ingested(target.key, stored=stored, rejected=rejected, size=len(body))
        if not (refused or receipt.rejected or receipt.is_repeat or read.is_detailed):
            return success(receipt.stored)
        model = target.endpoint.model
        outcome = Outcome(model=model, receipt=receipt, refused=refused, accepted=read.accepted, body=body, form=form)
        return answer(outcome, is_detailed=read.is_detailed)

    async def _put(self, batch: Batch) -> Receipt:
        try:
            return await self._store.put(batch)
        except StoreBusy as error:
            raise ServerBusy(round(error.retry_after.total_seconds())) from error
        except StoreFailed as error:
            raise StoreUnavailable(error.message) from error
        except KeyReused as error:
            raise IdempotencyConflict(error.message) from error
        except PlaceTaken as error:
            hint = "without dead letters there is nowhere to set them aside"
            raise PlaceConflict(error.message, hint=hint) from error


def _target(endpoint: Endpoint) -> Target:
    reader, rows = RecordReader(endpoint.model, is_strict=endpoint.is_strict), RowMaker(endpoint.table.model)
    return Target(
        endpoint=endpoint,
        reader=reader,
        rows=rows,
        judge=Judge(reader, rows),
        key=endpoint.key,
        route=f"/{endpoint.path}",
        queue=f"{endpoint.name}DeadLetterQueue" if endpoint.has_dead_letters else None,
    )


def _numbers(version: str | None) -> tuple[int, ...]:
    return () if version is None else tuple(int(part) for part in version.split("."))


def _format(incoming: Incoming) -> Format:
    kind = incoming.header(b"content-type")
    return "ndjson" if kind is not None and kind.partition(";")[0].strip().lower() in _NDJSON else "json"


def _idempotency(incoming: Incoming, body: bytes) -> Idempotency | None:
    if not incoming.has_any(_NAMING):
        return None
    key, place, attempt = values = [incoming.header(name) for name in _NAMING]
    for name, value in zip(_NAMING.values(), values, strict=True):
        if value == "":
            raise EmptyHeader(name)
    if key is None:
        return None
    place = None if place is None else unquote(place)
    return Idempotency(key=key, digest=hashlib.sha256(body).digest(), place=place, attempt=attempt)


def _is_large(body: bytes) -> bool:
    return len(body) > _LARGE or (len(body) > _MANY and body.count(b",") + body.count(b"\n") > _MANY)


def _read(target: Target, body: bytes, form: Format, *, is_detailed: bool) -> _Read:
    """Everything that takes time and needs nobody else."""
    records = target.reader.read(body, form)
    if records.breakage is not None:
        _logger.error("a validator raised", exc_info=records.breakage, extra={"endpoint": target.key})
    refused = [*records.refused]
    try:
        rows = rows_of(target.rows, records.accepted)
    except UnstorableRecord:
        rows, unstorable = _without_unstorable(target, records, body, form)
        refused = sorted([*refused, *unstorable], key=lambda it: it.index)
    accepted = dict(zip(records.positions, records.accepted, strict=True)) if is_detailed else {}
    return _Read(rows, refused, [_rejected(it) for it in refused], accepted, is_detailed)


def _without_unstorable(
    target: Target, records: Records, body: bytes, form: Format
) -> tuple[list[tuple[Cell, ...]], list[Refused]]:
    rows, unstorable = list[tuple[Cell, ...]](), dict[int, FieldFault]()
    for index, record in zip(records.positions, records.accepted, strict=True):
        try:
            rows.append(target.rows.row(record))
        except UnstorableRecord as error:
            unstorable[index] = error.fault
    texts = enumerate(islice(texts_of(body, form), max(unstorable) + 1))
    return rows, [Refused(index=it, text=text, faults=(unstorable[it],)) for it, text in texts if it in unstorable]


def _rejected(refused: Refused) -> RejectedRecord:
    message = "; ".join(map(str, refused.faults))
    return RejectedRecord(text=refused.text, error_type=_ERROR_TYPE, message=message)
