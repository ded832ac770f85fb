"""`moose-cli schedule`: the group of verbs on schedules."""

from __future__ import annotations

import click

from moose_lib.cli.groups import CommandPlace, LazyGroup, examples

_HERE = "moose_lib.cli.commands"
_COMMANDS = {
    "list": CommandPlace(place=f"{_HERE}.schedule_look:list_schedules", aliases=("l",)),
    "describe": CommandPlace(place=f"{_HERE}.schedule_look:describe"),
    "next": CommandPlace(place=f"{_HERE}.schedule_next:next_times"),
    "pause": CommandPlace(place=f"{_HERE}.schedule_act:pause"),
    "unpause": CommandPlace(place=f"{_HERE}.schedule_act:unpause"),
    "trigger": CommandPlace(place=f"{_HERE}.schedule_act:trigger"),
    "backfill": CommandPlace(place=f"{_HERE}.schedule_backfill:backfill"),
}


@click.group(
    cls=LazyGroup,
    places=_COMMANDS,
    epilog=examples(
        "moose-cli schedule list",
        "moose-cli schedule next Nightly -n 20 --timezone America/New_York",
        "moose-cli schedule backfill Nightly --from 2027-01-01 --to 2027-01-31 --missing-only --dry-run",
    ),
)
def schedule() -> None:
    """Look at schedules, pause them, and run what they have missed."""
