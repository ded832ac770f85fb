"""`moose-cli workflow run`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, Wait, json_option, pass_output, target_options, wait_options
from moose_lib.cli.output import Output

_EPILOG = examples(
    "moose-cli workflow run OrderProcessing",
    """moose-cli workflow run OrderProcessing --input '{"order_id": "7"}' --wait""",
    "moose-cli workflow run OrderProcessing --input @order.json --wait --json",
    "cat order.json | moose-cli workflow run OrderProcessing --input -",
)


@click.command(epilog=_EPILOG)
@click.argument("name")
@click.option("-i", "--input", "given", metavar="JSON|@FILE|-", help="The run's input: JSON, a file, or stdin.")
@wait_options("Show the tasks until the run ends; exit 1 if it fails.", "--wait/--no-wait")
@click.option("--id", "workflow_id", metavar="ID", help="The run's workflow id; refused while a run with it is open.")
@click.option("--once-per-input", "is_once", is_flag=True, help="Derive the id from the input: never two at once.")
@click.option("--remote", "is_remote", is_flag=True, help="The code is elsewhere: start without looking for it here.")
@json_option
@target_options
@pass_output
def run(
    output: Output,
    target: Target,
    name: str,
    given: str | None,
    wait: Wait,
    workflow_id: str | None,
    is_once: bool,
    is_remote: bool,
) -> int:
    """Start a run of a workflow, now, and return; or stay with --wait.

    The input is checked against the first task's model before anything starts.
    """
    if workflow_id is not None and is_once:
        raise click.UsageError("--id and --once-per-input exclude each other")
    from moose_lib.cli.starting import prepare, start

    wanted = prepare(output, target, name, given, workflow_id, is_once=is_once, is_remote=is_remote)
    if not wait.is_wanted:
        return start(output, wanted)
    from moose_lib.cli.waiting import start_and_wait

    return start_and_wait(output, wanted, wait.patience)
