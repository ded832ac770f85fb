"""`moose-cli workflow status`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

_EPILOG = examples(
    "moose-cli workflow status OrderProcessing",
    "moose-cli workflow status OrderProcessing-1f0c8a9d2b3e4f50 --watch",
    "moose-cli workflow status OrderProcessing --json",
)


@click.command(epilog=_EPILOG)
@click.argument("run", metavar="NAME|RUN")
@click.option("--id", "run_id", metavar="RUN", help="Which run of NAME: a run id or a workflow id.")
@click.option("--verbose", is_flag=True, help="Show tracebacks and every event of the history.")
@click.option("--watch", "is_watching", is_flag=True, help="Stay until the run ends; exit 1 if it fails.")
@json_option
@target_options
@pass_output
def status(output: Output, target: Target, run: str, run_id: str | None, verbose: bool, is_watching: bool) -> int:
    """Show every task of a run: state, attempts, times, errors.

    NAME means the workflow's latest run; RUN is a workflow id or a run id.
    """
    from moose_lib.cli.showing import show_status, watch_status

    if is_watching:
        return watch_status(output, target, run, run_id)
    return show_status(output, target, run, run_id, is_verbose=verbose)
