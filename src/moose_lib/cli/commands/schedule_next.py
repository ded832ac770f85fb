"""`moose-cli schedule next`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.cli.session import Session
    from moose_lib.plan.schedule import PlannedSchedule


@click.command(
    "next",
    epilog=examples(
        "moose-cli schedule next Nightly",
        "moose-cli schedule next Nightly -n 30 --timezone America/New_York",
        "moose-cli schedule next Nightly --after 2027-03-25",
    ),
)
@click.argument("name")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many times.")
@click.option("--timezone", metavar="ZONE", help="Show them in this zone (default: the schedule's own).")
@click.option("--after", metavar="TIME", help="The times after this one, in the schedule's zone (default: now).")
@json_option
@target_options
@pass_output
def next_times(output: Output, target: Target, name: str, count: int, timezone: str | None, after: str | None) -> None:
    """Show when a schedule fires next, and what changes of the clocks do to it.

    The times come from the Temporal server, also for a schedule that is declared but not deployed yet.
    """
    from moose_lib.cli.session import open_session
    from moose_lib.cli.upcoming import ask_upcoming, upcoming_document, upcoming_lines, zone_given

    shown = zone_given(timezone)
    session = open_session(target)
    declared = _declared(session, name)
    found = session.run(lambda client: ask_upcoming(client, name, declared, count, after))
    zone = shown or found.zone
    if output.is_json:
        output.document(upcoming_document(found, zone))
        return
    if not found.times:
        output.talk(f"{name} never fires")
    output.data(*upcoming_lines(found, zone, output))
    if not found.is_deployed:
        output.note("the schedule is not deployed yet: nothing fires")
        output.hint("moose-cli deploy")
    elif found.is_paused:
        output.note("the schedule is paused: nothing fires")
        output.hint(f"moose-cli schedule unpause {name}")
    elif found.differs:
        output.note(f"these are the times of the server's schedule; declared here is {declared}")
        output.hint("moose-cli deploy")


def _declared(session: Session, name: str) -> PlannedSchedule | None:
    loaded = session.load()
    plan = None if loaded is None else loaded.plans.get(name)
    return None if plan is None else plan.schedule
