"""`moose-cli peek`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import StoreName, Target, json_option, pass_output, project_option, store_option
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.project.clickhouse import ClickHouseSettings
    from moose_lib.project.settings import Settings


@click.command(epilog=examples("moose-cli peek Orders", "moose-cli peek Orders/1.2 -n 20 --json"))
@click.argument("name")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=5, metavar="N", help="How many rows (default: 5).")
@json_option
@store_option
@project_option
@pass_output
def peek(output: Output, target: Target, name: str, limit: int, store: StoreName | None) -> None:
    """Show the latest rows of a table, the newest first.

    NAME is the table's, with or without a version: a bare name is also its highest version. In JSON, lists and nested
    models are what they were. Where the settings name a ClickHouse, it is asked.
    """
    from moose_lib.cli.asked_store import asked_clickhouse, reading_file
    from moose_lib.cli.session import open_session
    from moose_lib.cli.shown_rows import show_rows
    from moose_lib.ingest.querying import find_table, latest, stored_tables

    settings = open_session(target).settings
    clickhouse = asked_clickhouse(settings, store)
    if clickhouse is not None:
        _peek_clickhouse(output, settings, clickhouse, name, limit)
        return
    with reading_file(settings) as connection:
        table = find_table(stored_tables(connection), name, "moose-cli peek")
        answer = latest(connection, table, limit)
        count = show_rows(output, answer, "json" if output.is_json else "table", limit=None, kinds=table.kinds)
    if not count and not output.is_json:
        none = "has no rows yet" if settings.clickhouse is None else "has no rows that wait for ClickHouse"
        output.talk(f"{table.name} {none}")


def _peek_clickhouse(output: Output, settings: Settings, clickhouse: ClickHouseSettings, name: str, limit: int) -> None:
    from moose_lib.cli.asked_store import note_waiting, places
    from moose_lib.cli.shown_rows import show_rows
    from moose_lib.ingest.clickhouse.asking import asking
    from moose_lib.ingest.clickhouse.ddl import Place
    from moose_lib.ingest.errors import TableNotFound
    from moose_lib.ingest.querying import best_version

    stored, moves = places(settings)
    with asking(clickhouse) as questions:
        known = list(stored) or questions.tables()
        table = best_version(name, known)
        if table is None:
            raise TableNotFound(name, known, "moose-cli peek")
        place = moves[table].place if table in moves else f"{clickhouse.db_name}.{table}"
        answer = questions.latest(Place(database=place.rpartition(".")[0], table=table), limit)
        kinds = {**answer.kinds, **(stored[table].kinds if table in stored else {})}
        count = show_rows(output, answer, "json" if output.is_json else "table", limit=None, kinds=kinds)
    if not count and not output.is_json:
        output.talk(f"{table} has no rows in ClickHouse yet")
    note_waiting(output, settings, table)
