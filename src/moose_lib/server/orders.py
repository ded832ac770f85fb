"""The bodies of verbs: each has the fields that its verb uses, and any other is refused by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from moose_lib.server.refusals import BadRequest

__all__ = [
    "FailOrder",
    "FireOrder",
    "NoteOrder",
    "Order",
    "PauseOrder",
    "ResumeOrder",
    "RetryOrder",
    "SkipOrder",
    "TerminateOrder",
    "body_schema",
    "read_order",
]


class Order(BaseModel):
    """The body of a verb that needs nothing: none, or an empty object."""

    model_config = ConfigDict(extra="forbid")


class TerminateOrder(Order):
    """How a run is terminated: `reason` is kept in its history."""

    reason: str | None = None


class PauseOrder(Order):
    """Why a run is paused: `note` is shown with it."""

    note: str | None = None


class RetryOrder(Order):
    """Which parked task is run again; without one, all of them."""

    task: str | None = None


class SkipOrder(Order):
    """Which parked task is skipped, and the output that counts for its own."""

    task: str
    output: Any = None  # Any: JSON, checked against the task's model


class FailOrder(Order):
    """Why the parked tasks are given up."""

    reason: str | None = None


class ResumeOrder(Order):
    """What is run again: `tasks` and all that comes after them; `plan` is the hash that a `dry_run` told."""

    tasks: list[str] = []
    plan: str | None = None
    dry_run: bool = False


class NoteOrder(Order):
    """Why a schedule is paused or unpaused: `note` is kept with it."""

    note: str | None = None


class FireOrder(Order):
    """How a schedule fires now: `overlap` in place of its own."""

    overlap: Literal["skip", "buffer_one", "buffer_all", "allow_all", "cancel_other", "terminate_other"] | None = None


_Some = TypeVar("_Some", bound=Order)
_UNKNOWN: Final = "extra_forbidden"


def body_schema(kind: type[Order]) -> dict[str, Any]:  # Any: JSON
    """The body as JSON Schema."""
    return {name: value for name, value in kind.model_json_schema().items() if name != "title"}


def read_order(kind: type[_Some], body: bytes, verb: str) -> _Some:
    """Read the body of a request for `verb`.

    Raises:
        BadRequest: it is no such JSON, or has a field that the verb does not use.
    """
    try:
        return kind.model_validate_json(body if body.strip() else b"{}")
    except ValidationError as error:
        details = sorted(error.errors(include_url=False), key=lambda it: it["type"] != _UNKNOWN)
        raise BadRequest(f"body: {_told(kind, verb, details[0])}") from None  # a misspelt name explains a missing one


def _told(kind: type[Order], verb: str, detail: ErrorDetails) -> str:
    path, known = ".".join(map(str, detail["loc"])), list(kind.model_fields)
    if detail["type"] == _UNKNOWN:
        close = get_close_matches(path, known, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        return f"no field {path!r}{meant}; {verb} takes {', '.join(known) or 'none'}"
    if detail["type"] == "missing":
        return f"{verb} needs {path!r}; it takes {', '.join(known)}"
    return f"{path + ': ' if path else ''}{detail['msg']}"
