"""`moose-cli schedule backfill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from moose_lib.cli.commands.schedule_act import OVERLAPS
from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.backfill import Backfill
    from moose_lib.operations.connecting import Client


@click.command(
    epilog=examples(
        "moose-cli schedule backfill Nightly --from 2027-01-01 --to 2027-01-31 --dry-run",
        "moose-cli schedule backfill Nightly --from 2027-01-01 --to 2027-01-31 --missing-only",
        "moose-cli schedule backfill Hourly --from 2027-01-01T06:00Z --to 2027-01-01T12:00Z --overlap allow_all",
    )
)
@click.argument("name")
@click.option("--from", "start", metavar="TIME", required=True, help="The first time, or its date.")
@click.option("--to", "end", metavar="TIME", required=True, help="The last time, or its date; both are included.")
@click.option("--missing-only", "is_missing_only", is_flag=True, help="Only times that have had no run.")
@click.option(
    "--overlap", type=click.Choice(OVERLAPS), help="How the runs follow each other (default: one after the other)."
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Show the times and which of them ran; start nothing.")
@json_option
@target_options
@pass_output
def backfill(
    output: Output,
    target: Target,
    name: str,
    start: str,
    end: str,
    is_missing_only: bool,
    overlap: str | None,
    is_dry: bool,
) -> None:
    """Run a workflow for times of its schedule that have passed.

    TIME is a date (2027-01-31) or a time (2027-01-31T06:30), of the schedule's time zone unless it ends with Z or an
    offset. A backfilled run has the id that the schedule would have given it, and ctx.run.scheduled_time is its time.
    What has had a run is known for as long as Temporal keeps runs.
    """
    from moose_lib.cli.dev_code import await_dev_code
    from moose_lib.cli.session import open_session

    session = open_session(target)
    if not is_dry:
        await_dev_code(output, session, is_loaded=False)

    async def work(client: Client) -> tuple[Backfill, Backfill, str]:
        from moose_lib.operations.backfill import backfill as start_runs

        found, zone = await _find(client, name, start, end, overlap)
        chosen = found.only_missing() if is_missing_only else found
        if not is_dry:
            await start_runs(client, chosen)
        return found, chosen, zone

    found, chosen, zone = session.run(work)
    if output.is_json:
        output.document(_document(found, chosen, is_dry=is_dry))
        return
    _tell(output, found, chosen, zone, is_dry=is_dry)


async def _find(client: Client, name: str, start: str, end: str, overlap: str | None) -> tuple[Backfill, str]:
    from moose_lib.cli.moments import read_moment
    from moose_lib.operations.backfill import plan_backfill
    from moose_lib.operations.schedules import describe_schedule

    there = await describe_schedule(client, name)
    zone = "UTC" if there.declared is None else there.declared.timezone
    first, last = read_moment(start, zone, is_end=False), read_moment(end, zone, is_end=True)
    if last < first:
        raise click.UsageError(f"--to {end} is before --from {start}")
    return await plan_backfill(client, name, first, last, overlap), zone


def _tell(output: Output, found: Backfill, chosen: Backfill, zone: str, *, is_dry: bool) -> None:
    from moose_lib.cli.schedule_text import zone_text

    picked = {slot.time for slot in chosen.slots}
    if is_dry and found.slots:
        rows = [
            (
                zone_text(slot.time, zone),
                slot.state.value if slot.run_state is None else f"{slot.state.value} ({slot.run_state})",
                "would run" if slot.time in picked else "-",
                slot.workflow_id,
            )
            for slot in found.slots
        ]
        output.table(("TIME", "STATE", "BACKFILL", "WORKFLOW ID"), rows)
    times = "1 time" if len(found.slots) == 1 else f"{len(found.slots)} times"
    runs = "1 run" if len(chosen.slots) == 1 else f"{len(chosen.slots)} runs"
    verb = "would be started" if is_dry else "started"
    how = {"buffer_all": "one after the other", "allow_all": "all at once"}.get(chosen.overlap)
    more = f", {how or f'overlap {chosen.overlap}'}" if len(chosen.slots) > 1 else ""
    output.data(f"{times} of {found.workflow}, {len(found.missing)} without a run; {runs} {verb}{more}")
    if not is_dry and chosen.slots:
        output.hint(f"moose-cli workflow history {found.workflow}")


def _document(found: Backfill, chosen: Backfill, *, is_dry: bool) -> dict[str, Any]:  # Any: JSON
    from moose_lib.cli.texts import json_time

    picked = {slot.time for slot in chosen.slots}
    return {
        "name": found.workflow,
        "dry_run": is_dry,
        "from": json_time(found.start),
        "to": json_time(found.end),
        "overlap": found.overlap,
        "times": [
            {
                "time": json_time(slot.time),
                "workflow_id": slot.workflow_id,
                "state": slot.state.value,
                "run_state": slot.run_state,
                "is_backfilled": slot.time in picked,
            }
            for slot in found.slots
        ],
    }
