"""`moose-cli workflow result`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, Wait, json_option, pass_output, target_options, wait_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunStatus

_EPILOG = examples(
    "moose-cli workflow result OrderProcessing",
    "moose-cli workflow result OrderProcessing-1f0c8a9d2b3e4f50 | jq .status",
    "moose-cli workflow result OrderProcessing --wait",
)


@click.command(epilog=_EPILOG)
@click.argument("run", metavar="NAME|RUN")
@click.option("--id", "run_id", metavar="RUN", help="Which run of NAME: a run id or a workflow id.")
@wait_options("Wait until the run ends.")
@json_option
@target_options
@pass_output
def result(output: Output, target: Target, run: str, run_id: str | None, wait: Wait) -> int:
    """Print the result of a run as JSON, and nothing else; exit 1 if it has none."""
    from moose_lib.cli.session import open_session
    from moose_lib.cli.showing import find_reference
    from moose_lib.cli.waiting import told_result, until_end
    from moose_lib.operations.following import run_status

    async def work(client: Client) -> RunStatus:
        found = await find_reference(client, run, run_id)
        if wait.is_wanted:
            return await until_end(client, found, wait.patience)
        return await run_status(client, found.workflow_id, found.run_id)

    return told_result(output, open_session(target).run(work))
