"""What a request with records is answered: the existing Moose's sentence, or every fault in detail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.responses import JSONResponse, PlainTextResponse, Response

from moose_lib.ingest.errors import UnreadableBody
from moose_lib.ingest.reading import Format, Refused, texts_of
from moose_lib.ingest.store import Receipt
from moose_lib.server.incoming import Incoming
from moose_lib.unknown_fields import UnknownField, unknown_fields, unknown_keys

PROBLEMS: Final = "application/problem+json"
_SHOWN: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a request, and what it was; `accepted` has its good records by index, for who asks for detail."""

    model: type[BaseModel]
    receipt: Receipt
    refused: list[Refused]
    accepted: Mapping[int, BaseModel]
    body: bytes
    form: Format


def wants_detail(incoming: Incoming) -> bool:
    """Whether the client asked for every fault."""
    query = incoming.scope["query_string"]
    if query and dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get("errors") == "detail":
        return True
    accept = incoming.header(b"accept")
    return accept is not None and PROBLEMS in accept


@lru_cache(maxsize=256)
def success(stored: int) -> Response:
    """The answer to most requests: all of it is stored. It is the same object for the same count: do not change it."""
    return PlainTextResponse("SUCCESS", 200, _counts(stored, 0))


def answer(outcome: Outcome, *, is_detailed: bool) -> Response:
    """Tell what was stored and what was not."""
    receipt = outcome.receipt
    headers = _counts(receipt.stored, receipt.rejected)
    if receipt.is_repeat:
        headers["Moose-Repeated"] = "true"
    if receipt.set_aside:
        headers["Moose-Set-Aside"] = str(receipt.set_aside)
    if receipt.released:
        headers["Moose-Released"] = str(receipt.released)
        headers["Moose-Released-Requests"] = str(receipt.released_requests)
    is_whole = receipt.rejected == receipt.set_aside == 0 and not outcome.refused
    status = 200 if is_whole else 207 if receipt.stored or receipt.set_aside else 400
    if is_detailed and status == 400:
        return _problem("invalid-records", _first_fault(outcome), _detail(outcome), headers)
    if is_detailed:
        return JSONResponse(_detail(outcome), status, headers)
    if status == 200:
        return PlainTextResponse("SUCCESS", status, headers)
    if status == 207:
        aside = f", {receipt.set_aside} set aside" if receipt.set_aside else ""
        text = f"PARTIAL: {receipt.stored} stored, {receipt.rejected} rejected{aside}"
        return PlainTextResponse(text, status, headers)
    return PlainTextResponse(f"Invalid JSON: {_first_fault(outcome)}{_place(outcome)}", status, headers)


def unreadable(error: UnreadableBody, *, is_detailed: bool) -> Response:
    """Tell where a body stops being JSON."""
    headers = _counts(0, 0)
    if not is_detailed:
        return PlainTextResponse(error.message, 400, headers)
    fault = {"index": None, "path": "", "reason": error.reason, "line": error.line, "column": error.column}
    told = {
        "stored": 0,
        "rejected": 0,
        "is_repeat": False,
        "set_aside": 0,
        "faults": [fault],
        "faults_left_out": 0,
        "ignored_fields": [],
    }
    return _problem("unreadable-body", error.message, told, headers)


def _problem(code: str, text: str, told: Mapping[str, Any], headers: Mapping[str, str]) -> Response:  # Any: JSON
    """Problem details as RFC 9457 has them, with our code, which never changes."""
    problem = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": text, "code": code}
    return JSONResponse({**problem, **told}, 400, headers, media_type=PROBLEMS)


def _counts(stored: int, rejected: int) -> dict[str, str]:
    return {"Moose-Stored": str(stored), "Moose-Rejected": str(rejected)}


def _detail(outcome: Outcome) -> Mapping[str, Any]:  # Any: JSON
    receipt, refused = outcome.receipt, outcome.refused
    faults = [{"index": it.index, "path": fault.path, "reason": fault.reason} for it in refused for fault in it.faults]
    return {
        "stored": receipt.stored,
        "rejected": receipt.rejected,
        "is_repeat": receipt.is_repeat,
        "set_aside": receipt.set_aside,
        "faults": faults[:_SHOWN],
        "faults_left_out": max(0, len(faults) - _SHOWN),
        "ignored_fields": list(islice(_ignored(outcome), _SHOWN)),
    }


def _ignored(outcome: Outcome) -> Iterator[Mapping[str, Any]]:  # Any: JSON
    """The fields that the model does not know: those of refused records often say why they were refused."""
    for index, text in enumerate(texts_of(outcome.body, outcome.form)):
        for unknown in _unknown(outcome.model, outcome.accepted.get(index), text):
            yield {"index": index, "path": unknown.path, "meant": unknown.meant}


def _unknown(model: type[BaseModel], accepted: BaseModel | None, text: str) -> Iterator[UnknownField]:
    if accepted is not None:
        return unknown_fields(accepted, json.loads(text))
    try:
        return unknown_keys(model, json.loads(text))
    except (ValueError, RecursionError):  # a line that is no JSON
        return iter(())


def _first_fault(outcome: Outcome) -> str:
    faults = outcome.refused[0].faults if outcome.refused else ()
    if not faults:
        return "refused before, see the answer to the first request with this key"
    missing = [fault.path for fault in faults if fault.reason == "is missing"]
    return f"Missing fields: {', '.join(missing)}" if len(missing) == len(faults) else str(faults[0])


def _place(outcome: Outcome) -> str:
    """Where the first refused record begins."""
    body = outcome.body
    begin = body.find(outcome.refused[0].text.encode()) if outcome.refused else -1
    if begin < 0:
        return ""
    before = body[:begin]
    return f" at line {before.count(bytes([10])) + 1} column {begin - before.rfind(bytes([10]))}"
