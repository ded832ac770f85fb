"""Showing one run: as it is, while it goes on, or only its result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session, open_session
from moose_lib.cli.status_text import status_lines
from moose_lib.cli.waiting import detached, follow, told_end
from moose_lib.cli.worker_commands import worker_commands
from moose_lib.operations.documents import event_document, run_document
from moose_lib.operations.following import run_status
from moose_lib.operations.links import run_url
from moose_lib.operations.listing import find_run
from moose_lib.operations.past import with_successor
from moose_lib.operations.recorded import recorded_events
from moose_lib.operations.records import RecordedEvent, RunStatus, RunSummary
from moose_lib.operations.workers import list_pollers

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client

__all__ = ["find_reference", "show_status", "watch_status"]


@dataclass(frozen=True, kw_only=True)
class _Shown:
    status: RunStatus
    ui_url: str | None
    events: Sequence[RecordedEvent] | None
    task_queue: str
    has_worker: bool


def show_status(output: Output, target: Target, reference: str, run_id: str | None, *, is_verbose: bool) -> int:
    """Show how a run stands now."""
    session = open_session(target)
    shown = session.run(lambda client: _look(client, session, reference, run_id, is_verbose=is_verbose))
    if output.is_json:
        output.document(run_document(shown.status, shown.ui_url, shown.events))
        return 0
    workers = worker_commands(session, shown.task_queue)
    output.data(*status_lines(shown.status, output, shown.ui_url, is_verbose=is_verbose, queue=workers.queue))
    if shown.events is not None:
        output.data("", f"Found {len(shown.events)} events", *map(_event_line, shown.events))
    if not shown.has_worker:
        output.note(f"nobody works for task queue {shown.task_queue!r}")
        output.hint(workers.hint)
    return 0


async def _look(client: Client, session: Session, reference: str, run_id: str | None, *, is_verbose: bool) -> _Shown:
    run = await find_reference(client, reference, run_id)
    status = await with_successor(client, await run_status(client, run.workflow_id, run.run_id))
    events = await recorded_events(client, run.workflow_id, status.run_id) if is_verbose else None
    return _Shown(
        status=status,
        ui_url=_url(client, session, status),
        events=events,
        task_queue=run.task_queue,
        has_worker=not status.is_open or bool(await list_pollers(client, run.task_queue)),
    )


async def find_reference(client: Client, reference: str, run_id: str | None) -> RunSummary:
    """Find the run a user means: the latest that `reference` names, or the one of it that `run_id` says."""
    if run_id is None:
        return await find_run(client, reference)
    return await find_run(client, run_id, name=reference)


def _url(client: Client, session: Session, status: RunStatus) -> str | None:
    from moose_lib.operations.connecting import ui_of

    return run_url(ui_of(client, session.settings), client.namespace, status.workflow_id, status.run_id)


def _event_line(event: RecordedEvent) -> str:
    document = event_document(event)
    told = [document.pop("timestamp"), document.pop("type")]
    document.pop("stack", None)
    facts = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in document.items()]
    return "  " + "  ".join([*told, *facts])


def watch_status(output: Output, target: Target, reference: str, run_id: str | None) -> int:
    """Show a run until it ends."""
    session = open_session(target)
    found = list[str]()

    async def work(client: Client) -> tuple[RunStatus, str | None]:
        run = await find_reference(client, reference, run_id)
        found.append(run.workflow_id)
        status = await follow(client, output, run.workflow_id, run.run_id)
        return status, _url(client, session, status)

    try:
        status, url = session.run(work)
    except KeyboardInterrupt:
        return detached(output, found[0]) if found else 130
    return told_end(output, status, url)
