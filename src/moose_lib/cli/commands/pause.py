"""`moose-cli workflow pause` and `unpause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output
from moose_lib.cli.selecting import OPEN_STATES, Selection, selection_options

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunSummary


@click.command(
    epilog=examples(
        "moose-cli workflow pause OrderProcessing",
        "moose-cli workflow pause OrderProcessing-1f0c8a9d2b3e4f50 --note 'the bank is closed'",
        "moose-cli workflow pause OrderProcessing --all",
    )
)
@selection_options(states=OPEN_STATES)
@click.option("--note", metavar="TEXT", help="Why; shown as long as the run is paused.")
@json_option
@target_options
@pass_output
def pause(output: Output, target: Target, selection: Selection, note: str | None) -> int:
    """Let runs start no further tasks; what runs finishes.

    A paused run stays so until `unpause`, also when workers and Temporal are restarted. A timeout of the workflow goes
    on. Paused again, it has the note of the last time.
    """
    from moose_lib.cli.acting import Action, Done, act
    from moose_lib.cli.status_text import paused_text
    from moose_lib.operations.decisions import pause_run

    async def perform(client: Client, run: RunSummary) -> Done:
        before = await pause_run(client, run, note)
        if before.is_paused:
            output.note(f"{run.workflow_id!r} was paused already{paused_text(before)}")
        to_go_on = output.pasteable(f"moose-cli workflow unpause {run.workflow_id}")
        return Done(text=f"paused successfully; to go on: {to_go_on}", facts={"was_paused": before.is_paused})

    return act(output, target, selection, Action(perform=perform, would="would be paused", default_states=OPEN_STATES))


@click.command(
    epilog=examples("moose-cli workflow unpause OrderProcessing", "moose-cli workflow unpause OrderProcessing --all")
)
@selection_options(states=OPEN_STATES)
@json_option
@target_options
@pass_output
def unpause(output: Output, target: Target, selection: Selection) -> int:
    """Let paused runs go on."""
    from moose_lib.cli.acting import Action, Done, act
    from moose_lib.operations.decisions import unpause_run

    async def perform(client: Client, run: RunSummary) -> Done:
        before = await unpause_run(client, run)
        text = "unpaused successfully" if before.is_paused else "was not paused"
        return Done(text=text, facts={"was_paused": before.is_paused})

    return act(output, target, selection, Action(perform=perform, would="would go on", default_states=OPEN_STATES))
