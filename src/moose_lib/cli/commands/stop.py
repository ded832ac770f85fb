"""`moose-cli workflow cancel` and `terminate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, Wait, json_option, pass_output, target_options, wait_options
from moose_lib.cli.output import Output
from moose_lib.cli.selecting import OPEN_STATES, Selection, selection_options

if TYPE_CHECKING:
    from moose_lib.cli.acting import Done
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunStatus, RunSummary

_REASON = "terminated from the command line"


@click.command(
    epilog=examples(
        "moose-cli workflow cancel OrderProcessing",
        "moose-cli workflow cancel OrderProcessing-1f0c8a9d2b3e4f50 --wait",
        "moose-cli workflow cancel OrderProcessing --all",
        "moose-cli workflow cancel --workflow OrderProcessing --since 2h --dry-run",
    )
)
@selection_options(states=OPEN_STATES)
@wait_options("Stay until every on_cancel has ended and the run is canceled.")
@json_option
@target_options
@pass_output
def cancel(output: Output, target: Target, selection: Selection, wait: Wait) -> int:
    """Ask runs to stop: their tasks are canceled and on_cancel runs."""
    from moose_lib.cli.acting import Action, Done, act
    from moose_lib.cli.canceling import CancelWait
    from moose_lib.cli.session import open_session
    from moose_lib.operations.control import cancel_run
    from moose_lib.operations.records import RunState

    waiting = CancelWait(output, open_session(target), wait.patience)

    async def perform(client: Client, run: RunSummary) -> Done:
        if not wait.is_wanted:
            return Done(text="cancellation requested successfully")
        status = await waiting.until_end(client, run)
        ended = status.state.words
        return Done(text="was canceled" if status.state is RunState.CANCELED else f"has {ended}")

    action = Action(perform=perform, would="would be canceled", default_states=OPEN_STATES, begin=cancel_run)
    try:
        return act(output, target, selection, action)
    except KeyboardInterrupt:
        return waiting.detached()


@click.command(
    epilog=examples(
        "moose-cli workflow terminate OrderProcessing",
        "moose-cli workflow terminate OrderProcessing --all --reason 'wrong prices'",
        "moose-cli workflow terminate --workflow OrderProcessing --since 1d --dry-run",
    )
)
@selection_options(states=OPEN_STATES)
@click.option("--reason", metavar="TEXT", default=_REASON, help="Why; shown in the status.")
@json_option
@target_options
@pass_output
def terminate(output: Output, target: Target, selection: Selection, reason: str) -> int:
    """End runs at once: their tasks are not told, on_cancel does not run. Says what was left undone."""
    from moose_lib.cli.acting import Action, act
    from moose_lib.operations.control import terminate_run
    from moose_lib.operations.following import run_status

    async def perform(client: Client, run: RunSummary) -> Done:
        before = await run_status(client, run.workflow_id, run.run_id)
        await terminate_run(client, run, reason)
        return _left_undone(before, await run_status(client, run.workflow_id, run.run_id))

    would = "would be terminated"
    return act(output, target, selection, Action(perform=perform, would=would, default_states=OPEN_STATES))


def _left_undone(before: RunStatus, status: RunStatus) -> Done:
    from moose_lib.cli.acting import Done
    from moose_lib.operations.records import TaskPhase

    left = {
        "interrupted": [task.name for task in status.tasks if task.state is TaskPhase.CANCELED],
        "parked": [task.name for task in before.parked],
        "not_started": [task.name for task in status.tasks if task.state is TaskPhase.SKIPPED],
    }
    told = [f"{name.replace('_', ' ')}: {', '.join(names)}" for name, names in left.items() if names]
    return Done(text="; ".join(["terminated successfully", *told]), facts={"left_undone": left})
