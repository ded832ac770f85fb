"""One line of a task's output: as a value, as JSON on disk, and as text for people."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.attribution import TASK_LOGGER

__all__ = [
    "LEVELS",
    "OWN_LOGGER",
    "PRINT",
    "Level",
    "Line",
    "Stream",
    "document",
    "from_json",
    "level_of",
    "tag",
    "to_json",
    "whole_text",
]

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
Stream: TypeAlias = Literal["stdout", "stderr", "log"]

#: From the least to the most important.
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error", "critical")


#: Writes what is said about lines, not by tasks.
OWN_LOGGER: Final = "moose.logs"
#: The logger of what is printed.
PRINT: Final = "print"
_SELF: Final = frozenset({TASK_LOGGER, OWN_LOGGER, PRINT})


class Line(NamedTuple):
    """What a task wrote: a printed line, or a record, which may have several lines. `time` is seconds since 1970."""

    time: float
    level: Level
    logger: str
    stream: Stream
    message: str
    run: RunInfo
    traceback: str | None = None
    fields: Mapping[str, object] | None = None


def level_of(number: int) -> Level:
    """Return the name of a level of `logging`; one in between counts as the next lower."""
    if number >= logging.WARNING:
        return "critical" if number >= logging.CRITICAL else "error" if number >= logging.ERROR else "warning"
    return "info" if number >= logging.INFO else "debug"


def whole_text(line: Line) -> str:
    """Return logger, message, fields and traceback, as far as they say something; several lines if there are several.

    Who prints, or writes to `ctx.logger`, is the task itself.
    """
    fields = ""
    if line.fields and line.logger != OWN_LOGGER:
        fields = "".join(f" {name}={_shown(value)}" for name, value in line.fields.items())
    logger = "" if line.logger in _SELF else f"{line.logger}: "
    return f"{logger}{line.message}{fields}" + ("" if line.traceback is None else f"\n{line.traceback}")


def tag(run: RunInfo) -> str:
    """`[OrderProcessing/charge #1 1f0c8a9d]`."""
    return f"[{run.workflow}/{run.task} #{run.attempt} {run.workflow_id.removeprefix(run.workflow + '-')}]"


def document(line: Line) -> dict[str, Any]:  # Any: JSON
    """Return the line as it stands on disk and in `--json`."""
    run = line.run
    told: dict[str, Any] = {
        "time": f"{datetime.fromtimestamp(line.time, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "level": line.level,
        "logger": line.logger,
        "stream": line.stream,
        "message": line.message,
        "workflow": run.workflow,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "task": run.task,
        "attempt": run.attempt,
    }
    if line.traceback is not None:
        told["traceback"] = line.traceback
    if line.fields:
        told["fields"] = line.fields
    return told


def to_json(line: Line) -> bytes:
    """Return the line as one line of JSON, without its end."""
    text = json.dumps(document(line), ensure_ascii=False, default=str)
    return text.encode(errors="backslashreplace")  # half a surrogate pair becomes JSON's own way to write it


def from_json(data: bytes) -> Line | None:
    """Read a line; `None` for what is none, as a killed worker or a full disk may leave."""
    try:
        told = json.loads(data)
        return Line(
            time=datetime.fromisoformat(told["time"]).timestamp(),
            level=cast("Level", told["level"]),  # written by `document`
            logger=told["logger"],
            stream=cast("Stream", told["stream"]),  # as above
            message=told["message"],
            run=RunInfo(
                workflow=told["workflow"],
                workflow_id=told["workflow_id"],
                run_id=told["run_id"],
                task=told["task"],
                attempt=told["attempt"],
            ),
            traceback=told.get("traceback"),
            fields=told.get("fields"),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _shown(value: object) -> str:
    text = str(value)
    return text if text and not any(it.isspace() for it in text) else repr(text)
