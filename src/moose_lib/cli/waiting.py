"""Staying with a run until it ends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from moose_lib.cli.output import Output
from moose_lib.cli.starting import Wanted, idleness, start_wanted, started_lines
from moose_lib.cli.status_text import STATE_PAINTS, failure_text, hook_notes, traceback_lines
from moose_lib.cli.texts import duration_text
from moose_lib.cli.views import View, view_for
from moose_lib.cli.worker_commands import worker_commands
from moose_lib.durations import format_duration
from moose_lib.errors import GaveUpWaiting, RunFailed
from moose_lib.operations.documents import run_document
from moose_lib.operations.following import follow_run
from moose_lib.operations.records import RunState, RunStatus, RunSummary, StartedRun

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client

__all__ = [
    "detached",
    "follow",
    "follow_new",
    "result_lines",
    "start_and_wait",
    "told_end",
    "told_result",
    "until_end",
]

_INTERRUPTED = 130


def start_and_wait(output: Output, wanted: Wanted, timeout: timedelta | None) -> int:
    """Start the run, show its tasks, and end as it ends."""
    started = list[StartedRun]()

    async def work(client: Client) -> RunStatus:
        run = await start_wanted(client, wanted)
        started.append(run)
        output.data(*started_lines(run), "")
        return await follow_new(client, output, run, wanted, timeout)

    try:
        status = wanted.session.run(work)
    except KeyboardInterrupt:
        return detached(output, started[0].workflow_id) if started else _INTERRUPTED
    return told_end(output, status, started[0].ui_url)


async def follow_new(
    client: Client, output: Output, run: StartedRun, wanted: Wanted, patience: timedelta | None = None
) -> RunStatus:
    """Show a new run until it ends, and say so if nobody works on it at all.

    Raises:
        GaveUpWaiting: it has not ended after `patience`.
    """
    with view_for(output) as view:
        warning = asyncio.create_task(_warn_if_idle(client, view, run, wanted))
        try:
            async with asyncio.timeout(None if patience is None else patience.total_seconds()):
                return await follow_run(client, run.workflow_id, run.run_id, view.show)
        except TimeoutError:
            raise GaveUpWaiting(run.workflow_id, run.run_id, format_duration(patience)) from None
        finally:
            warning.cancel()


async def until_end(client: Client, run: RunSummary, patience: timedelta | None) -> RunStatus:
    """Stay until a run has ended, and show nothing.

    Raises:
        GaveUpWaiting: it has not after `patience`.
    """
    try:
        async with asyncio.timeout(None if patience is None else patience.total_seconds()):
            return await follow_run(client, run.workflow_id, run.run_id)
    except TimeoutError:
        raise GaveUpWaiting(run.workflow_id, run.run_id, format_duration(patience)) from None


async def _warn_if_idle(client: Client, view: View, run: StartedRun, wanted: Wanted) -> None:
    idle = await idleness(client, run, wanted)
    if idle is not None:
        view.note(f"{idle}; {worker_commands(wanted.session, wanted.session.task_queue).aside}")


async def follow(client: Client, output: Output, workflow_id: str, run_id: str) -> RunStatus:
    """Show a run until it ends."""
    with view_for(output) as view:
        return await follow_run(client, workflow_id, run_id, view.show)


def detached(output: Output, workflow_id: str) -> int:
    """Ctrl-C ends the watching, not the run."""
    output.talk("")
    output.note(f"{workflow_id} goes on without you watching")
    output.hint(f"moose-cli workflow status {workflow_id} --watch")
    return _INTERRUPTED


def told_end(output: Output, status: RunStatus, ui_url: str | None) -> int:
    """Tell how the run ended; return the exit code."""
    if output.is_json:
        output.document(run_document(status, ui_url))
    if status.state is RunState.COMPLETED:
        ending = output.paint("completed", STATE_PAINTS[status.state])
        output.data("", f"'{status.name}' {ending} in {duration_text(status.duration)}.", *result_lines(status))
    else:
        _tell_failure(output, status)
    for note in hook_notes(status):
        output.note(note)
    return 0 if status.state is RunState.COMPLETED else 1


def told_result(output: Output, status: RunStatus) -> int:
    """Print the result alone; return the exit code.

    Raises:
        RunFailed: the run goes on, or its result is not on this machine.
    """
    if status.is_open:
        hint = f"moose-cli workflow result {status.workflow_id} --wait"
        raise RunFailed(f"run {status.workflow_id!r} has no result yet", hint=hint)
    if status.result_fault is not None:
        raise RunFailed(f"run {status.workflow_id!r} has a result that cannot be read: {status.result_fault}")
    if output.is_json:
        output.document(run_document(status, None))
    if status.state is RunState.COMPLETED:
        output.data(*(result_lines(status) or ["null"]))
        return 0
    _tell_failure(output, status)
    return 1


def _tell_failure(output: Output, status: RunStatus) -> None:
    why = "" if status.error is None else f": {failure_text(status).removeprefix('terminated: ')}"
    output.error(f"run {status.workflow_id!r} {status.state.value.replace('_', ' ')}{why}")
    if status.state is RunState.FAILED:
        output.talk(*_failed_traceback(status))
    output.hint(f"moose-cli workflow status {status.workflow_id} --verbose")


def result_lines(status: RunStatus) -> list[str]:
    """Return the result for people: JSON, a field a line."""
    if status.result_fault is not None:
        return [f"The result cannot be shown: {status.result_fault}"]
    if status.result is None or status.result == b"null":
        return []
    return json.dumps(json.loads(status.result), indent=2, ensure_ascii=False).splitlines()


def _failed_traceback(status: RunStatus) -> list[str]:
    assert status.error is not None, "a failed run has an error"
    if status.error.error.traceback is not None:
        return status.error.error.traceback.rstrip().splitlines()
    return traceback_lines(replace(status, hooks=()))
