"""`moose-cli workflow resume`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, Wait, json_option, pass_output, target_options, wait_options
from moose_lib.cli.output import Output
from moose_lib.cli.selecting import ENDED_STATES, Selection, selection_options


@click.command(
    epilog=examples(
        "moose-cli workflow resume OrderProcessing-1f0c8a9d2b3e4f50 --dry-run",
        "moose-cli workflow resume OrderProcessing-1f0c8a9d2b3e4f50 --plan 3f9a61c2d07b",
        "moose-cli workflow resume OrderProcessing --from charge --wait",
        "moose-cli workflow resume --status failed --workflow OrderProcessing --since 2h --dry-run",
    )
)
@selection_options(states=ENDED_STATES, is_for_open=False)
@click.option("--from", "asked", metavar="TASK", multiple=True, help="Run this task again too, and what depends on it.")
@click.option("--plan", "expected", metavar="HASH", help="Refuse if code or run have changed since that --dry-run.")
@wait_options("Show the tasks until the run ends; exit 1 if it fails.")
@json_option
@target_options
@pass_output
def resume(
    output: Output, target: Target, selection: Selection, asked: tuple[str, ...], expected: str | None, wait: Wait
) -> int:
    """Go on where a run ended, with the code of now: what is finished is kept, the rest runs.

    For runs that failed, timed out, were canceled or terminated. Starts a new run with the same workflow id; the two
    know each other.
    """
    from moose_lib.cli.resuming import Wish, resume_many, resume_one

    wish = Wish(asked=asked, expected=expected, wait=wait)
    if not selection.is_bulk:
        return resume_one(output, target, selection, wish)
    if expected is not None or wait.is_wanted:
        raise click.UsageError("--plan and --wait are for one run")
    return resume_many(output, target, selection, wish)
