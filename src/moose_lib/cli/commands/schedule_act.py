"""`moose-cli schedule pause`, `unpause` and `trigger`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.schedule_records import DeployedSchedule, ScheduledAction

    Work: TypeAlias = Callable[[Client], Awaitable[DeployedSchedule]]

OVERLAPS = ("skip", "buffer_one", "buffer_all", "allow_all", "cancel_other", "terminate_other")


@click.command(
    epilog=examples("moose-cli schedule pause Nightly", "moose-cli schedule pause Nightly --note 'the feed is down'")
)
@click.argument("name")
@click.option("--note", metavar="TEXT", default="paused from the command line", help="Why; shown in describe.")
@json_option
@target_options
@pass_output
def pause(output: Output, target: Target, name: str, note: str) -> None:
    """Let a schedule start nothing until it is unpaused; open runs go on.

    It stays paused through deployments, unless the declared `paused` changes.
    """
    from moose_lib.operations.schedules import describe_schedule, pause_schedule

    async def work(client: Client) -> DeployedSchedule:
        before = await pause_schedule(client, name, note)
        if before.is_paused and before.note != note:
            output.note(f"it was paused already, with another note: {before.note or 'none'}")
        return await describe_schedule(client, name)

    _tell(output, target, work, f"the schedule of {name!r} is paused")


@click.command(epilog=examples("moose-cli schedule unpause Nightly"))
@click.argument("name")
@click.option("--note", metavar="TEXT", default="unpaused from the command line", help="Why; kept with the schedule.")
@json_option
@target_options
@pass_output
def unpause(output: Output, target: Target, name: str, note: str) -> None:
    """Let a schedule fire again; times that passed meanwhile are not caught up (see backfill)."""
    from moose_lib.operations.schedules import describe_schedule, unpause_schedule

    async def work(client: Client) -> DeployedSchedule:
        await unpause_schedule(client, name, note)
        return await describe_schedule(client, name)

    _tell(output, target, work, f"the schedule of {name!r} is active")


def _tell(output: Output, target: Target, work: Work, said: str) -> None:
    from moose_lib.cli.schedule_text import next_text
    from moose_lib.cli.session import open_session
    from moose_lib.operations.schedule_documents import schedule_document

    found = open_session(target).run(work)
    if output.is_json:
        output.document(schedule_document(found))
    if found.is_paused:
        output.data(said)
        return
    zone = "UTC" if found.declared is None else found.declared.timezone
    output.data(f"{said}, {next_text(found.next_times[0] if found.next_times else None, zone, is_paused=False)}")


@click.command(
    epilog=examples("moose-cli schedule trigger Nightly", "moose-cli schedule trigger Nightly --overlap allow_all")
)
@click.argument("name")
@click.option("--overlap", type=click.Choice(OVERLAPS), help="In place of the schedule's own.")
@json_option
@target_options
@pass_output
def trigger(output: Output, target: Target, name: str, overlap: str | None) -> int:
    """Let a schedule fire now, with its input and its overlap, also if it is paused.

    To run the workflow with another input, or beside the schedule: moose-cli workflow run.
    """
    from moose_lib.cli.dev_code import await_dev_code
    from moose_lib.cli.schedule_text import held_back_text, started_text
    from moose_lib.cli.session import open_session
    from moose_lib.operations.schedules import describe_schedule, trigger_schedule

    session = open_session(target)
    await_dev_code(output, session, is_loaded=False)  # the run gets its plan from the worker

    async def work(client: Client) -> tuple[ScheduledAction | None, DeployedSchedule]:
        return await trigger_schedule(client, name, overlap), await describe_schedule(client, name)

    action, found = session.run(work)
    if output.is_json:
        output.document(
            {
                "name": name,
                "is_started": action is not None and not action.is_shared,
                "workflow_id": None if action is None else action.workflow_id,
                "run_id": None if action is None else action.run_id,
                "open_runs": list(found.open_runs),
            }
        )
    if action is None:
        output.error(held_back_text(name, found.open_runs))
        output.hint(f"moose-cli schedule trigger {name} --overlap allow_all")
        return 1
    output.data(started_text(name, action), f"Workflow ID: {action.workflow_id}", f"Run ID: {action.run_id}")
    if not output.is_json:
        output.hint(f"moose-cli workflow status {action.workflow_id} --watch")
    return 0
