"""`POST /ingest/<name>[/<version>]`: records in, an answer when they are committed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from moose_lib.ingest.columns import Cell, RowMaker
from moose_lib.ingest.errors import KeyReused, StoreBusy, StoreFailed, UnreadableBody, UnstorableRecord
from moose_lib.ingest.reading import Format, RecordReader, Records, Refused
from moose_lib.ingest.store import Batch, Idempotency, Receipt, RejectedRecord, Store
from moose_lib.plan.endpoints import Endpoint
from moose_lib.server.bodies import BodyReader
from moose_lib.server.refusals import IdempotencyConflict, ServerBusy, StoreUnavailable, UnknownModel

_NDJSON: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
_PROBLEMS: Final = "application/problem+json"
_ERROR_TYPE: Final = "ValidationError"
_SHOWN_FAULTS: Final = 1000


@dataclass(frozen=True)
class _Target:
    """An endpoint, ready to read its requests."""

    endpoint: Endpoint
    reader: RecordReader
    rows: RowMaker


class Targets:
    """The endpoints by path, whatever its case; a bare name means its highest version."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        endpoints = sorted(endpoints, key=lambda it: _numbers(it.version))
        targets = {it.key: _target(it) for it in endpoints}
        self._names = sorted({it.name for it in endpoints})
        unversioned = {f"ingest/{it.name}".lower(): targets[it.key] for it in endpoints if it.version is not None}
        self._by_path = unversioned | {it.path.lower(): targets[it.key] for it in endpoints}

    def is_open(self, path: str) -> bool:
        """Nobody has to show a key there."""
        found = self._by_path.get(path.strip("/").lower())
        return found is not None and found.endpoint.is_open

    def find(self, path: str) -> _Target:
        """The endpoint at a path without its leading slash.

        Raises:
            UnknownModel: there is none.
        """
        found = self._by_path.get(path.strip("/").lower())
        if found is None:
            name = path.strip("/").removeprefix("ingest/").partition("/")[0]
            raise UnknownModel(name, get_close_matches(name, self._names, n=1), self._names)
        return found


class Ingest:
    """Takes requests with records and answers when they are kept."""

    def __init__(self, targets: Targets, store: Store, bodies: BodyReader, *, is_partial: bool) -> None:
        self._targets = targets
        self._store = store
        self._bodies = bodies
        self._is_partial = is_partial

    async def __call__(self, request: Request, path: str) -> Response:
        """Answer a request for `path`.

        Raises:
            Refusal: it is refused as a whole, and nothing of it was kept.
        """
        target = self._targets.find(path)
        with self._bodies.share() as share:
            body = await self._bodies.read(request, share)
            try:
                records = target.reader.read(body, _format(request))
            except UnreadableBody as error:
                return _unreadable(error, is_detailed=_wants_detail(request))
            return await self._keep(request, target, body, records)

    async def _keep(self, request: Request, target: _Target, body: bytes, records: Records) -> Response:
        rows, unstorable = _rows(target.rows, records)
        refused = sorted([*records.refused, *unstorable], key=lambda it: it.index)
        queue = f"{target.endpoint.name}DeadLetterQueue" if target.endpoint.has_dead_letters else None
        keeps_good = not refused or (queue is not None and self._is_partial)
        batch = Batch(
            endpoint=target.endpoint.key,
            table=target.endpoint.table.name,
            rows=rows if keeps_good else (),
            rejected=[_rejected(it) for it in refused],
            queue=queue,
            idempotency=_idempotency(request, body),
            size=len(body),
        )
        receipt = (
            await self._put(batch) if batch.rows or queue is not None else Receipt(stored=0, rejected=len(refused))
        )
        return _answer(receipt, refused, body, is_detailed=_wants_detail(request))

    async def _put(self, batch: Batch) -> Receipt:
        try:
            return await self._store.put(batch)
        except StoreBusy as error:
            raise ServerBusy(round(error.retry_after.total_seconds())) from error
        except StoreFailed as error:
            raise StoreUnavailable(error.message) from error
        except KeyReused as error:
            raise IdempotencyConflict(error.message) from error


def _target(endpoint: Endpoint) -> _Target:
    reader = RecordReader(endpoint.model, is_strict=endpoint.is_strict)
    return _Target(endpoint, reader, RowMaker(endpoint.table.model))


def _numbers(version: str | None) -> tuple[int, ...]:
    return () if version is None else tuple(int(part) for part in version.split("."))


def _format(request: Request) -> Format:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return "ndjson" if kind in _NDJSON else "json"


def _wants_detail(request: Request) -> bool:
    return _PROBLEMS in request.headers.get("accept", "") or request.query_params.get("errors") == "detail"


def _idempotency(request: Request, body: bytes) -> Idempotency | None:
    key = request.headers.get("idempotency-key")
    return None if key is None else Idempotency(key=key, digest=hashlib.sha256(body).digest())


def _rows(maker: RowMaker, records: Records) -> tuple[list[tuple[Cell, ...]], list[Refused]]:
    rows, refused = list[tuple[Cell, ...]](), list[Refused]()
    for index, record in zip(records.positions, records.accepted, strict=True):
        try:
            rows.append(maker.row(record))
        except UnstorableRecord as error:
            refused.append(Refused(index=index, text=record.model_dump_json(), faults=(error.fault,)))
    return rows, refused


def _rejected(refused: Refused) -> RejectedRecord:
    message = "; ".join(map(str, refused.faults[:_SHOWN_FAULTS]))
    return RejectedRecord(text=refused.text, error_type=_ERROR_TYPE, message=message)


def _answer(receipt: Receipt, refused: list[Refused], body: bytes, *, is_detailed: bool) -> Response:
    headers = {"Moose-Stored": str(receipt.stored), "Moose-Rejected": str(receipt.rejected)}
    status = 200 if receipt.rejected == 0 else 207 if receipt.stored else 400
    if is_detailed:
        return JSONResponse(_detail(receipt, refused), status, headers, media_type=_PROBLEMS if status == 400 else None)
    if status == 200:
        return PlainTextResponse("SUCCESS", status, headers)
    if status == 207:
        text = f"PARTIAL: {receipt.stored} stored, {receipt.rejected} rejected"
        return PlainTextResponse(text, status, headers)
    return PlainTextResponse(f"Invalid JSON: {_first_fault(refused)}{_place(refused, body)}", status, headers)


def _detail(receipt: Receipt, refused: list[Refused]) -> Mapping[str, Any]:  # Any: JSON
    faults = [{"index": it.index, "path": fault.path, "reason": fault.reason} for it in refused for fault in it.faults]
    return {
        "stored": receipt.stored,
        "rejected": receipt.rejected,
        "is_repeat": receipt.is_repeat,
        "faults": faults[:_SHOWN_FAULTS],
        "faults_left_out": max(0, len(faults) - _SHOWN_FAULTS),
    }


def _first_fault(refused: list[Refused]) -> str:
    if not refused:
        return "refused before, see the answer to the first request with this key"
    missing = [fault.path for fault in refused[0].faults if fault.reason == "is missing"]
    if missing and len(missing) == len(refused[0].faults):
        return f"Missing fields: {', '.join(missing)}"
    return str(refused[0].faults[0])


def _place(refused: list[Refused], body: bytes) -> str:
    """Where the first refused record begins."""
    begin = body.find(refused[0].text.encode()) if refused else -1
    if begin < 0:
        return ""
    before = body[:begin]
    return f" at line {before.count(bytes([10])) + 1} column {begin - before.rfind(bytes([10]))}"


def _unreadable(error: UnreadableBody, *, is_detailed: bool) -> Response:
    if not is_detailed:
        return PlainTextResponse(error.message, 400)
    fault = {"index": None, "path": "", "reason": error.reason, "line": error.line, "column": error.column}
    document = {"stored": 0, "rejected": 0, "is_repeat": False, "faults": [fault], "faults_left_out": 0}
    return Response(json.dumps(document), 400, media_type=_PROBLEMS)
