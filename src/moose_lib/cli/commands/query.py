"""`moose-cli query`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import StoreName, Target, pass_output, project_option, store_option
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.cli.shown_rows import RowFormat
    from moose_lib.ingest.columns import Kind
    from moose_lib.ingest.querying import Answer

_EPILOG = examples(
    'moose-cli query "SELECT status, count(*) FROM Orders GROUP BY status"',
    'moose-cli query "SELECT * FROM Orders" --format csv > orders.csv',
    'moose-cli query "SELECT * FROM Orders" --format parquet --output orders.parquet',
    "moose-cli query - --json < report.sql",
)
#: What people are shown unless they ask for more.
_SHOWN = 1000


@click.command(epilog=_EPILOG)
@click.argument("statement", metavar="SQL")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    help="How to print the rows (default: table).",
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows; 0 is all (table: 1000).")
@click.option(
    "-o", "--output", "into", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file, not to stdout."
)
@click.option("--timeout", metavar="DURATION", help="Give the query up after this time (exit 124).")
@click.option("--json", is_flag=True, expose_value=False, help="The same as --format json; errors are JSON too.")
@store_option
@project_option
@pass_output
def query(
    output: Output,
    target: Target,
    statement: str,
    form: RowFormat | None,
    limit: int | None,
    into: Path | None,
    timeout: str | None,
    store: StoreName | None,
) -> None:
    """Ask the store with SQL; "-" reads the statement from stdin.

    It only reads, and may be used while the server writes. The dialect is SQLite's, or ClickHouse's where the settings
    name one: then ClickHouse is asked, and rows that have not moved there yet are counted on stderr. `moose-cli ls`
    shows the tables; each has the columns of its model beside _id and _ingested_at. Nothing is ever cut in a pipe.
    """
    from moose_lib.cli.asked_store import asked_clickhouse, note_waiting, reading_file
    from moose_lib.cli.session import open_session
    from moose_lib.durations import parse_duration
    from moose_lib.ingest.querying import query as ask

    chosen: RowFormat = form or ("json" if output.is_json else "table")
    if output.is_json and chosen != "json":
        raise click.UsageError(f"--json and --format {chosen} are two answers; leave one out")
    if chosen == "parquet" and into is None and sys.stdout.isatty():
        raise click.UsageError("a terminal cannot show Parquet: write --output FILE, or a pipe")
    if chosen == "table" and into is not None:
        raise click.UsageError("a file takes --format json, csv or parquet")
    most = (_SHOWN if chosen == "table" else None) if limit is None else limit or None
    patience = None if timeout is None else parse_duration(timeout)
    text = sys.stdin.read() if statement == "-" else statement
    settings = open_session(target).settings
    clickhouse = asked_clickhouse(settings, store)
    if clickhouse is None:
        with reading_file(settings) as connection:
            _show(output, ask(connection, text, patience), chosen, into, most)
        return
    from moose_lib.ingest.clickhouse.asking import asking  # half a second that only this has to pay

    with asking(clickhouse, patience) as questions:
        answer = questions.query(text)
        _show(output, answer, chosen, into, most, answer.kinds)
    note_waiting(output, settings)


def _show(
    output: Output,
    answer: Answer,
    form: RowFormat,
    into: Path | None,
    limit: int | None,
    kinds: Mapping[str, Kind] | None = None,
) -> None:
    from moose_lib.cli.shown_rows import show_rows, write_rows

    if into is not None:
        write_rows(into, answer, form, limit=limit, kinds=kinds)
    else:
        show_rows(output, answer, form, limit=limit, kinds=kinds)
