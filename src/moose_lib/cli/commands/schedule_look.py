"""`moose-cli schedule list` and `describe`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.cli.session import Session
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.schedule_rows import ScheduleRow


@click.command("list", epilog=examples("moose-cli schedule list", "moose-cli schedule list --all --json"))
@click.option("--all", "is_all", is_flag=True, help="Also those of others in this namespace, whoever made them.")
@json_option
@target_options
@pass_output
def list_schedules(output: Output, target: Target, is_all: bool) -> None:
    """List the schedules that are declared here or deployed, with their next time."""
    from moose_lib.cli.schedule_rows import hidden_text, row_cells
    from moose_lib.cli.session import open_session
    from moose_lib.operations.schedule_rows import row_document

    session = open_session(target)
    rows, others, hidden = session.run(lambda client: _listed(client, session, is_all=is_all))
    if output.is_json:
        output.document([row_document(row) for row in (*rows, *others)])
    elif rows or others:
        output.table(("NAME", "SCHEDULE", "STATE", "NEXT", "LAST"), [row_cells(row) for row in (*rows, *others)])
    else:
        output.talk("no schedules are declared or deployed")
    if hidden:
        output.note(hidden_text(hidden))
    if any(row.state in ("differs", "not declared", "not deployed", "foreign") for row in rows):
        output.hint("moose-cli deploy --dry-run")


async def _listed(
    client: Client, session: Session, *, is_all: bool
) -> tuple[list[ScheduleRow], list[ScheduleRow], int]:
    """The project's schedules, those of others if they are wanted, and how many are not shown."""
    from moose_lib.operations.schedule_rows import count_others, other_rows

    rows = await _rows(client, session)
    if is_all:
        return rows, await other_rows(client, rows), 0
    return rows, [], await count_others(client, rows)


async def _rows(client: Client, session: Session) -> list[ScheduleRow]:
    from moose_lib.cli.schedule_keeping import owner_of
    from moose_lib.operations.schedule_rows import all_schedule_rows, schedule_rows

    loaded = session.load()
    if loaded is None:
        return await all_schedule_rows(client)
    return await schedule_rows(client, loaded.plans, owner_of(loaded.project))


@click.command(epilog=examples("moose-cli schedule describe Nightly", "moose-cli schedule describe Nightly --json"))
@click.argument("name")
@json_option
@target_options
@pass_output
def describe(output: Output, target: Target, name: str) -> None:
    """Show a schedule: its times, what it has run, what it has missed."""
    from moose_lib.cli.schedule_rows import described_lines
    from moose_lib.cli.session import open_session
    from moose_lib.operations.schedule_documents import schedule_document
    from moose_lib.operations.schedules import describe_schedule

    session = open_session(target)
    found = session.run(lambda client: describe_schedule(client, name))
    if output.is_json:
        output.document(schedule_document(found))
        return
    output.data(*described_lines(found, output, datetime.now(UTC)))
