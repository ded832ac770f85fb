"""`moose-cli peek`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, project_option
from moose_lib.cli.output import Output


@click.command(epilog=examples("moose-cli peek Orders", "moose-cli peek Orders/1.2 -n 20 --json"))
@click.argument("name")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=5, metavar="N", help="How many rows (default: 5).")
@json_option
@project_option
@pass_output
def peek(output: Output, target: Target, name: str, limit: int) -> None:
    """Show the latest rows of a table, the newest first.

    NAME is the table's, with or without a version: a bare name is also its highest version. In JSON, lists and nested
    models are what they were.
    """
    from moose_lib.cli.session import open_session
    from moose_lib.cli.shown_rows import show_rows
    from moose_lib.ingest.querying import find_table, latest, reading, stored_tables

    with reading(open_session(target).settings.store_path) as connection:
        table = find_table(stored_tables(connection), name, "moose-cli peek")
        answer = latest(connection, table, limit)
        count = show_rows(output, answer, "json" if output.is_json else "table", limit=None, kinds=table.kinds)
    if not count and not output.is_json:
        output.talk(f"{table.name} has no rows yet")
