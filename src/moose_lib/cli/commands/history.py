"""`moose-cli workflow history`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output
from moose_lib.errors import ImportFailed, InvalidDefinition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moose_lib.cli.session import Session
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunStatus, RunSummary

    _Row = tuple[RunSummary, RunStatus | None]

_STATES = ("running", "completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new")


@click.command(
    epilog=examples(
        "moose-cli workflow history",
        "moose-cli workflow history OrderProcessing --status failed --limit 50",
        "moose-cli workflow history --json",
    )
)
@click.argument("name", required=False)
@click.option("-s", "--status", "states", type=click.Choice(_STATES), multiple=True, help="Only runs in this state.")
@click.option("-l", "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@json_option
@target_options
@pass_output
def history(output: Output, target: Target, name: str | None, states: Sequence[str], limit: int) -> None:
    """List runs, the newest first: all of the project's, or those of one workflow."""
    from moose_lib.cli.session import open_session
    from moose_lib.operations.documents import standing_document
    from moose_lib.operations.following import standings
    from moose_lib.operations.listing import list_runs
    from moose_lib.operations.records import RunState

    session = open_session(target)

    async def work(client: Client) -> Sequence[_Row]:
        wanted = [RunState(state) for state in states]
        runs = await list_runs(client, task_queue=session.task_queue, name=name, states=wanted, limit=limit)
        return await standings(client, runs)

    runs, now = session.run(work), datetime.now(UTC)
    if name is not None and not runs:
        _refuse_unknown(session, name)
    if output.is_json:
        output.document([standing_document(run, status, now) for run, status in runs])
    elif runs:
        _show(output, runs, now)
    else:
        output.talk("no runs yet" if not states and name is None else "no such runs")


def _refuse_unknown(session: Session, name: str) -> None:
    """Tell a typing mistake from a workflow that has not run; code that does not load cannot."""
    from moose_lib.cli.naming import workflow_not_found

    try:
        loaded = session.load()
    except (ImportFailed, InvalidDefinition):
        return
    if loaded is not None and name not in loaded.workflows:
        raise workflow_not_found(name, loaded.workflows, "moose-cli workflow history")


def _show(output: Output, runs: Sequence[_Row], now: datetime) -> None:
    from moose_lib.cli.status_text import STATE_PAINTS, run_state_text
    from moose_lib.cli.texts import duration_text, local_text

    rows = [
        (
            run.name,
            run.workflow_id,
            run.run_id,
            run.state.words if status is None else run_state_text(status),
            local_text(run.started),
            duration_text(run.duration(now)),
        )
        for run, status in runs
    ]
    header = ("WORKFLOW", "WORKFLOW ID", "RUN ID", "STATUS", "STARTED AT", "DURATION")
    output.table(header, rows, [STATE_PAINTS[run.state] for run, _ in runs])
