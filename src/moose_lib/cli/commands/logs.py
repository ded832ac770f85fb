"""`moose-cli logs`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, long_target_options, pass_output
from moose_lib.cli.output import Output

_LEVELS = ("debug", "info", "warning", "error", "critical")
_EPILOG = examples(
    "moose-cli logs OrderProcessing",
    "moose-cli logs OrderProcessing-1f0c8a9d2b3e4f50 --task charge --attempt 2",
    "moose-cli logs OrderProcessing --follow",
    "moose-cli logs --since 10m --level warning",
    "moose-cli logs --json | jq -r .message",
)


@click.command(epilog=_EPILOG)
@click.argument("run", metavar="[NAME|RUN]", required=False)
@click.option("--task", metavar="TASK", help="Only this task's lines.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Only this attempt's lines.")
@click.option("--level", type=click.Choice(_LEVELS), help="Only lines of this level and above.")
@click.option("--since", metavar="DURATION", help="Only lines that are not older, as 10m, 2h or 7d.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Stay and print what comes, until the run is over.")
@click.option("--json", is_flag=True, expose_value=False, help="Print one JSON document a line (JSON Lines).")
@long_target_options
@pass_output
def logs(
    output: Output,
    target: Target,
    run: str | None,
    task: str | None,
    attempt: int | None,
    level: str | None,
    since: str | None,
    tail: int | None,
    follow: bool,
) -> int:
    """Show what tasks printed and logged, the newest last.

    NAME means the workflow's latest run that has logs; RUN is a workflow id or a run id. Without either: all of the
    project. Read from the project's .moose/logs, so that no Temporal need be there.
    """
    from moose_lib.cli.log_reading import Request, show_logs

    output.use_lines()
    request = Request(reference=run, task=task, attempt=attempt, level=level, since=since, tail=tail)
    if not follow:
        return show_logs(output, target, request)
    from moose_lib.cli.log_following import follow_logs  # with Temporal's client, which takes its time to import

    return follow_logs(output, target, request)
