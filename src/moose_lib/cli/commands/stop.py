"""`moose-cli workflow cancel` and `terminate`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunSummary

    Work: TypeAlias = Callable[[Client], Awaitable[Sequence[RunSummary]]]

_REASON = "terminated from the command line"


@click.command(
    epilog=examples(
        "moose-cli workflow cancel OrderProcessing",
        "moose-cli workflow cancel OrderProcessing-1f0c8a9d2b3e4f50",
        "moose-cli workflow cancel OrderProcessing --all",
    )
)
@click.argument("run", metavar="NAME|RUN")
@click.option("--id", "run_id", metavar="RUN", help="Which run of NAME: a run id or a workflow id.")
@click.option("--all", "every", is_flag=True, help="All open runs of NAME.")
@json_option
@target_options
@pass_output
def cancel(output: Output, target: Target, run: str, run_id: str | None, every: bool) -> None:
    """Ask a run to stop: its tasks are canceled and their on_cancel runs."""
    from moose_lib.operations.control import cancel_run, select_open_runs

    async def work(client: Client) -> Sequence[RunSummary]:
        runs = await select_open_runs(client, run, run_id=run_id, every=every)
        for each in runs:
            await cancel_run(client, each)
        return runs

    _stop(output, target, run, "cancellation requested successfully", work)


@click.command(
    epilog=examples(
        "moose-cli workflow terminate OrderProcessing",
        "moose-cli workflow terminate OrderProcessing --all --reason 'wrong prices'",
    )
)
@click.argument("run", metavar="NAME|RUN")
@click.option("--id", "run_id", metavar="RUN", help="Which run of NAME: a run id or a workflow id.")
@click.option("--all", "every", is_flag=True, help="All open runs of NAME.")
@click.option("--reason", metavar="TEXT", default=_REASON, help="Why; shown in the status.")
@json_option
@target_options
@pass_output
def terminate(output: Output, target: Target, run: str, run_id: str | None, every: bool, reason: str) -> None:
    """End a run at once: its tasks are not told, and on_cancel does not run."""
    from moose_lib.operations.control import select_open_runs, terminate_run

    async def work(client: Client) -> Sequence[RunSummary]:
        runs = await select_open_runs(client, run, run_id=run_id, every=every)
        for each in runs:
            await terminate_run(client, each, reason)
        return runs

    _stop(output, target, run, "terminated successfully", work)


def _stop(output: Output, target: Target, reference: str, done: str, work: Work) -> None:
    from moose_lib.cli.session import open_session
    from moose_lib.errors import AmbiguousRun

    try:
        runs = open_session(target).run(work)
    except AmbiguousRun as error:
        verb = click.get_current_context().info_name
        raise AmbiguousRun(
            reference, error.runs, hint=f"moose-cli workflow {verb} {error.runs[0]}   or, for all of them, add --all"
        ) from None
    if output.is_json:
        output.document({"runs": [_document(run) for run in runs]})
    for run in runs:
        output.data(f"'{run.workflow_id}' {done}")


def _document(run: RunSummary) -> dict[str, str]:
    return {"name": run.name, "workflow_id": run.workflow_id, "run_id": run.run_id}
