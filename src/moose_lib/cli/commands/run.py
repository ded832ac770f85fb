"""`moose-cli workflow run`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
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
@click.option("--wait/--no-wait", "is_waiting", help="Show the tasks until the run ends; exit 1 if it fails.")
@click.option("--timeout", metavar="DURATION", help="With --wait: give up waiting after this time (exit 124).")
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
    is_waiting: bool,
    timeout: str | None,
    workflow_id: str | None,
    is_once: bool,
    is_remote: bool,
) -> int:
    """Start a run of a workflow, now, and return; or stay with --wait.

    The input is checked against the first task's model before anything starts.
    """
    if workflow_id is not None and is_once:
        raise click.UsageError("--id and --once-per-input exclude each other")
    if timeout is not None and not is_waiting:
        raise click.UsageError("--timeout needs --wait")
    from moose_lib.cli.starting import prepare, start
    from moose_lib.durations import parse_duration

    patience = None if timeout is None else parse_duration(timeout)
    wanted = prepare(output, target, name, given, workflow_id, is_once=is_once, is_remote=is_remote)
    if not is_waiting:
        return start(output, wanted)
    from moose_lib.cli.waiting import start_and_wait

    return start_and_wait(output, wanted, patience)
