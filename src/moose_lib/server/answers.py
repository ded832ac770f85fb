"""From an error of ours to an HTTP answer: a status, and JSON with a code that never changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from moose_lib.errors import (
    AmbiguousRun,
    EngineUnreachable,
    InvalidInput,
    InvalidOutput,
    MooseError,
    NotFound,
    NotParked,
    NotResumable,
    PlanChanged,
    RunAlreadyStarted,
    RunNotOpen,
    RunNotSeen,
    ValueTooLarge,
)
from moose_lib.server.refusals import Refusal

#: The first class that fits says the status.
_STATUSES: Mapping[type[MooseError], int] = {
    NotFound: 404,
    InvalidInput: 400,
    InvalidOutput: 400,
    ValueTooLarge: 413,
    AmbiguousRun: 409,
    RunAlreadyStarted: 409,
    RunNotOpen: 409,
    NotParked: 409,
    NotResumable: 409,
    PlanChanged: 409,
    EngineUnreachable: 503,
    RunNotSeen: 504,
}


def answer_to(error: MooseError) -> Response:
    """The answer that tells a client what went wrong."""
    headers = error.headers if isinstance(error, Refusal) else {}
    return JSONResponse({"error": error_document(error)}, status_of(error), headers)


def status_of(error: MooseError) -> int:
    """The status of an error; 500 for one that no client can have caused."""
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)


def error_document(error: MooseError) -> Mapping[str, Any]:  # Any: JSON
    """`code` is a refusal's own, or the class's name with hyphens: `run-not-open`."""
    code = error.code if isinstance(error, Refusal) else re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    document: dict[str, Any] = {"code": code, "message": error.message, "hint": error.hint}  # Any: JSON
    if isinstance(error, InvalidInput | InvalidOutput):
        document["faults"] = [{"path": fault.path, "reason": fault.reason} for fault in error.faults]
    return document
