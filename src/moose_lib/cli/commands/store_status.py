"""`moose-cli status`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, project_option
from moose_lib.cli.output import Output


@click.command("status", epilog=examples("moose-cli status", "moose-cli status --json"))
@json_option
@project_option
@pass_output
def store_status(output: Output, target: Target) -> None:
    """Show the store: its tables, what waits to move to ClickHouse and why, dead letters.

    It reads the store's file, so it needs neither a server nor ClickHouse. `moose-cli workflow status` is about runs.
    """
    from moose_lib.cli.session import open_session
    from moose_lib.cli.store_status import show_status

    show_status(output, open_session(target).settings)
