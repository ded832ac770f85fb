"""`moose-cli workflow run-task`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output


@click.command(
    "run-task",
    epilog=examples(
        "moose-cli workflow run-task OrderProcessing charge --from-run OrderProcessing-1f0c8a9d2b3e4f50",
        "moose-cli workflow run-task OrderProcessing --from-run OrderProcessing --pdb",
        """moose-cli workflow run-task OrderProcessing charge --input '{"order_id": "7"}'""",
        "moose-cli workflow run-task OrderProcessing charge --input @order.json --json",
    ),
)
@click.argument("workflow")
@click.argument("task", required=False)
@click.option("--from-run", metavar="RUN", help="With the input recorded in this run: an id, or NAME for the latest.")
@click.option("-i", "--input", "given", metavar="JSON|@FILE|-", help="The task's input: JSON, a file, or stdin.")
@click.option("--pdb", "is_debugged", is_flag=True, help="If it raises, look at it in Python's debugger.")
@json_option
@target_options
@pass_output
def run_task(
    output: Output,
    target: Target,
    workflow: str,
    task: str | None,
    from_run: str | None,
    given: str | None,
    is_debugged: bool,
) -> int:
    """Run one TASK here, once, with the code of now: no worker, no run is touched. Prints its output as JSON.

    Without TASK, it is the one that `explain` names for the run. The task's timeout is not kept, and breakpoint() in
    its code works.
    """
    if from_run is not None and given is not None:
        raise click.UsageError("--from-run and --input exclude each other")
    if is_debugged and output.is_json:
        raise click.UsageError("--pdb and --json exclude each other")
    from moose_lib.cli.trying import Wanted, run_task

    wanted = Wanted(workflow=workflow, task=task, from_run=from_run, given=given, is_debugged=is_debugged)
    return run_task(output, target, wanted)
