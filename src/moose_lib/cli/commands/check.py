"""`moose-cli check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.next_fires import NextFire
    from moose_lib.plan.endpoints import TablePlan
    from moose_lib.plan.model import Plan, PlannedTask
    from moose_lib.project.loader import LoadedProject


#: So much of a workflow is shown; a tree of one more line is shown as it is.
_SHOWN_TASKS = 20


@click.command(epilog=examples("moose-cli check", "moose-cli check app.py", "moose-cli check --json"))
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--verbose", "is_verbose", is_flag=True, help="Show every task, however many a workflow has.")
@json_option
@pass_output
def check(output: Output, file: Path | None, is_verbose: bool) -> None:
    """Check every workflow, endpoint and table of the project without running anything.

    Prints each workflow as a tree with the value that feeds each task; all mistakes together, with file and line (exit
    2). Tables are compared with the store, if there is one, and with ClickHouse, if it is set and answers: what the
    server would change, and what it would refuse (exit 2); so are the settings of keys and tokens.
    """
    from moose_lib.cli.declared import clickhouse_changes, require_keys, store_changes
    from moose_lib.cli.next_fires import next_fires
    from moose_lib.cli.session import open_project, open_session
    from moose_lib.ingest.errors import LossyMigration
    from moose_lib.project.loader import load_project

    target = Target(file=file)
    session = open_session(target)
    loaded = load_project(session.project or open_project(target))
    plans = loaded.plans
    require_keys(loaded)
    changes, losses = store_changes(loaded)
    if losses:
        raise LossyMigration.together(losses)
    moving = clickhouse_changes(loaded)
    fires = next_fires(session, plans.values())
    if output.is_json:
        told = {"store_changes": changes, "clickhouse_changes": moving}
        documents = [_document(plans[name], fires.get(name)) for name in sorted(plans)]
        output.document({"workflows": documents, **_ingest_documents(loaded), **told, "faults": []})
        return
    for name in sorted(plans):
        plan = plans[name]
        output.data(
            f"{output.paint(name, 'strong')}  {_summary(plan, fires.get(name))}",
            *_task_lines(plan, is_verbose=is_verbose),
            "",
        )
    output.data(*_ingest_lines(output, loaded, changes, moving))
    output.data(_verdict(loaded))
    if not plans and not loaded.endpoints and not loaded.tables:
        output.note("importing it makes no workflow; declare one with Workflow(name=…, config=…)")


def _summary(plan: Plan, fire: NextFire | None) -> str:
    from moose_lib.cli.next_fires import fire_text
    from moose_lib.durations import format_duration

    said = [_count(len(plan.tasks), "task")]
    said += [f"timeout {format_duration(plan.timeout)}"] if plan.timeout is not None else []
    said += [_count(plan.retries, "retry", "retries")] if plan.retries else []
    said += [f"on_success {plan.on_success.name}"] if plan.on_success is not None else []
    said += [f"on_failure {plan.on_failure.name}"] if plan.on_failure is not None else []
    said += [f"schedule {plan.schedule}"] if plan.schedule is not None else []
    is_said = fire is not None and fire.state == "paused" and plan.schedule is not None and plan.schedule.paused
    said += (
        [f"next {fire_text(fire)}" if fire.time is not None else fire_text(fire)]
        if fire is not None and not is_said
        else []
    )
    return ", ".join(said)


def _label(task: PlannedTask) -> str:
    if task.source.kind == "nothing":
        fed = "takes nothing"
    else:
        fed = f"← {task.source}" + (f" ({task.input_type})" if task.input_type is not None else "")
    after = f"  after {', '.join(task.after)}" if len(task.after) > 1 else ""
    return f"{task.name}  {fed}{after}"


def _task_lines(plan: Plan, *, is_verbose: bool) -> list[str]:
    from moose_lib.plan.render import tree_lines

    lines = [f"  {line}" for line in tree_lines(plan, _label)]
    more = len(lines) - _SHOWN_TASKS
    return lines if is_verbose or more <= 1 else [*lines[:_SHOWN_TASKS], f"  … and {more} more: --verbose"]


def _verdict(loaded: LoadedProject) -> str:
    plans = loaded.plans.values()
    said = [_count(len(plans), "workflow"), _count(sum(len(plan.tasks) for plan in plans), "task")]
    said += [_count(len(loaded.endpoints), "endpoint")] if loaded.endpoints else []
    said += [_count(len(loaded.tables), "table")] if loaded.tables else []
    return f"{', '.join(said)}, no mistakes"


def _ingest_lines(output: Output, loaded: LoadedProject, changes: list[str], moving: list[str]) -> list[str]:
    """Endpoints, then tables that have none, then what the server would change in the store and in ClickHouse."""
    fed = {endpoint.table.name for endpoint in loaded.endpoints}
    lines = [
        f"{output.paint(f'POST /{it.path}', 'strong')}  {it.model.__name__} → table {it.table.name}{_order(it.table)}"
        for it in loaded.endpoints
    ]
    lines += [
        f"{output.paint(f'table {it.name}', 'strong')}  {it.model.__name__}{_order(it)}"
        for it in loaded.tables.values()
        if it.name not in fed
    ]
    lines += [f"  store: {change}" for change in changes]
    lines += [f"  clickhouse: {change}" for change in moving]
    return [*lines, ""] if lines else []


def _order(table: TablePlan) -> str:
    names = table.config.order_by_fields
    return f", by {', '.join(names)}" if names else ""


def _ingest_documents(loaded: LoadedProject) -> dict[str, Any]:  # Any: JSON
    from moose_lib.cli.declared import endpoint_document, table_document

    return {
        "endpoints": [endpoint_document(it) for it in loaded.endpoints],
        "tables": [table_document(it) for it in loaded.tables.values()],
    }


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _document(plan: Plan, fire: NextFire | None) -> dict[str, Any]:  # Any: JSON
    from moose_lib.cli.texts import json_time

    text = None if plan.schedule is None else plan.schedule.text
    document = plan.model_dump(mode="json")
    return {
        "name": plan.workflow,
        "plan_hash": plan.hash,
        **document,
        "schedule": text,
        "schedule_details": document["schedule"],
        "schedule_state": None if fire is None else fire.state,
        "next_time": None if fire is None else json_time(fire.time),
    }
