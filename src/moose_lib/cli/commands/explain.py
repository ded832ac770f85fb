"""`moose-cli workflow explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.explaining import Explanation


@click.command(
    epilog=examples(
        "moose-cli workflow explain OrderProcessing",
        "moose-cli workflow explain OrderProcessing-1f0c8a9d2b3e4f50 --full",
        "moose-cli workflow explain OrderProcessing --json | jq .task.error.message",
    )
)
@click.argument("run", metavar="NAME|RUN")
@click.option("--id", "run_id", metavar="RUN", help="Which run of NAME: a run id or a workflow id.")
@click.option("--full", "is_full", is_flag=True, help="Show the whole input, however long.")
@json_option
@target_options
@pass_output
def explain(output: Output, target: Target, run: str, run_id: str | None, is_full: bool) -> None:
    """Say why a run failed or does not go on: the one task, its input and error, and what to do.

    NAME means the workflow's latest run; RUN is a workflow id or a run id. Needs no worker and none of your code.
    """
    from moose_lib.cli.explaining import explanation_document, explanation_lines
    from moose_lib.cli.session import open_session
    from moose_lib.cli.showing import find_reference
    from moose_lib.cli.worker_commands import worker_commands
    from moose_lib.operations.explaining import explain_run

    async def work(client: Client) -> Explanation:
        return await explain_run(client, await find_reference(client, run, run_id))

    session = open_session(target)
    explanation = session.run(work)
    workers = worker_commands(session, explanation.task_queue)
    if output.is_json:
        output.document(explanation_document(explanation, output, workers))
    output.data(*explanation_lines(explanation, output, workers, is_full=is_full))
