"""From an exception to what the user reads and the exit code."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import click

from moose_lib.cli.groups import NoSuchName
from moose_lib.cli.output import Output
from moose_lib.errors import (
    AmbiguousRun,
    Fault,
    GaveUpWaiting,
    ImportFailed,
    InvalidDefinition,
    InvalidInput,
    Location,
    MooseError,
)

__all__ = ["INTERRUPTED", "fault_document", "report"]

INTERRUPTED = 130


def report(error: BaseException, output: Output) -> int:
    """Tell the user about an error, on stderr and, with `--json`, as the one document; return the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.talk(error.format_message())
        return error.exit_code
    if output.is_json:
        output.document({"error": _document(error, output)})
    _tell(error, output)
    return _exit_code(error)


def _exit_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, (MooseError, click.ClickException)) else 1


def _tell(error: BaseException, output: Output) -> None:
    if isinstance(error, InvalidDefinition | ImportFailed):
        for fault in error.faults:
            output.error(_located(fault))
            _hint(fault.hint, output)
    if isinstance(error, InvalidDefinition):
        return
    if isinstance(error, click.UsageError):
        output.error(_sentence(error.format_message()))
        _hint(_usage_hint(error), output)
        return
    if isinstance(error, MooseError):
        _tell_ours(error, output)
        return
    if isinstance(error, click.ClickException):
        output.error(_sentence(error.format_message()))
        return
    output.talk("".join(traceback.format_exception(error)).rstrip())
    output.error(f"{type(error).__name__}: {error}")
    output.hint("this is a mistake in moose-cli itself; please report it with the lines above")


def _tell_ours(error: MooseError, output: Output) -> None:
    first, *more = error.message.splitlines() or [""]
    if isinstance(error, InvalidInput) and len(error.faults) > 1:
        first, more = f"input of {error.owner} is not a valid {error.model}", [f"  {fault}" for fault in error.faults]
    output.error(first)
    output.talk(*more)
    if isinstance(error, ImportFailed):
        output.talk(error.traceback.rstrip())
    _hint(error.hint, output)


def _usage_hint(error: click.UsageError) -> str | None:
    if isinstance(error, NoSuchName):
        return error.hint
    return None if error.ctx is None else f"{error.ctx.command_path} --help"


def _hint(hint: str | None, output: Output) -> None:
    if hint is not None:
        output.hint(hint)


def _sentence(text: str) -> str:
    """Write click's sentence as ours: one line, lower case, no full stop."""
    line = " ".join(text.split())
    return (line[:1].lower() + line[1:]).rstrip(".")


def _located(fault: Fault) -> str:
    return fault.message if fault.location is None else f"{_place(fault.location)}: {fault.message}"


def _place(location: Location) -> str:
    file, here = Path(location.file), Path.cwd()
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return f"{shown}:{location.line}"


def _document(error: BaseException, output: Output) -> dict[str, Any]:  # Any: JSON
    message = _sentence(error.format_message()) if isinstance(error, click.ClickException) else str(error)
    hint = _any_hint(error)
    pasteable = None if hint is None else output.pasteable(hint)
    document: dict[str, Any] = {"code": _code(error), "message": message, "hint": pasteable}
    if isinstance(error, InvalidDefinition | ImportFailed):
        document["faults"] = [fault_document(fault) for fault in error.faults]
    if isinstance(error, InvalidInput):
        document["faults"] = [{"path": fault.path, "reason": fault.reason} for fault in error.faults]
    if isinstance(error, AmbiguousRun):
        document["runs"] = list(error.runs)
    if isinstance(error, ImportFailed):
        document["traceback"] = error.traceback
    if isinstance(error, GaveUpWaiting):
        document |= {"workflow_id": error.workflow_id, "run_id": error.run_id}
    return document


def _any_hint(error: BaseException) -> str | None:
    if isinstance(error, click.UsageError):
        return _usage_hint(error)
    return error.hint if isinstance(error, MooseError) else None


def fault_document(fault: Fault) -> dict[str, Any]:  # Any: JSON
    """Return a mistake in a definition as JSON."""
    return {
        "code": fault.code,
        "message": fault.message,
        "hint": fault.hint,
        "file": None if fault.location is None else fault.location.file,
        "line": None if fault.location is None else fault.location.line,
        "workflow": fault.workflow,
        "task": fault.task,
    }


def _code(error: BaseException) -> str:
    """`RunNotFound` is `run_not_found`; every mistake in the call itself is `usage`."""
    if isinstance(error, click.UsageError):
        return "usage"
    if not isinstance(error, MooseError):
        return "internal"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
