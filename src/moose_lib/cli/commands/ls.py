"""`moose-cli ls`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, project_option
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.project.loader import LoadedProject

_TYPES = {"tables": "tables", "ingestion": "ingestion_apis", "workflows": "workflows", "streams": "streams"}
#: Kinds of things that the existing Moose lists, and that do not exist here.
_NONE_HERE = ("sql_resources", "consumption_apis", "stream_transformations", "web_apps")


@click.command(epilog=examples("moose-cli ls", "moose-cli ls --type tables --name order", "moose-cli ls --json"))
@click.option("--type", "kind", type=click.Choice(list(_TYPES)), help="Only things of this type.")
@click.option("--name", metavar="TEXT", help="Only things whose name has this in it, whatever its case.")
@json_option
@project_option
@pass_output
def ls(output: Output, target: Target, kind: str | None, name: str | None) -> None:
    """List what the project declares: tables, endpoints for records, workflows."""
    from moose_lib.cli.session import open_project
    from moose_lib.project.loader import load_project

    wanted = (name or "").lower()
    found = {
        section: [it for it in documents if wanted in it["name"].lower()]
        for section, documents in _documents(load_project(open_project(target))).items()
    }
    if output.is_json:
        for document in itertools.chain(*found.values()):
            del document["shown"]
        empty: dict[str, Any] = {section: [] for section in _NONE_HERE}
        output.document(found | empty if kind is None else found[_TYPES[kind]])
        return
    rows = [
        (label, it["name"], it["shown"])
        for label, section in _TYPES.items()
        if kind in (None, label)
        for it in found[section]
    ]
    if rows:
        output.table(("TYPE", "NAME", ""), rows)
    else:
        output.talk("nothing of that name is declared" if name else "nothing is declared")


def _documents(loaded: LoadedProject) -> dict[str, list[dict[str, Any]]]:  # Any: JSON
    """By the existing Moose's sections; `shown` is what a line for people says."""
    from moose_lib.cli.declared import endpoint_document, table_document
    from moose_lib.dmv2._registry import registered_streams

    endpoints = [endpoint_document(it) for it in loaded.endpoints]
    tables = [table_document(it) for it in loaded.tables.values()]
    return {
        "tables": [it | {"shown": ", ".join(column["name"] for column in it["columns"])} for it in tables],
        "streams": [
            {"name": it.key, "shown": f"into table {it.config.destination.key}" if it.config.destination else ""}
            for it in registered_streams().values()
        ],
        "ingestion_apis": [it | {"shown": f"POST {it['path']} into table {it['table']}"} for it in endpoints],
        "workflows": [
            {
                "name": plan.workflow,
                "schedule": None if plan.schedule is None else plan.schedule.text,
                "tasks": [task.name for task in plan.tasks],
                "shown": ", ".join(task.name for task in plan.tasks),
            }
            for plan in loaded.plans.values()
        ],
    }
