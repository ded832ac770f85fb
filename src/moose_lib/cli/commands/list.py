"""`moose-cli workflow list`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.cli.session import Session
    from moose_lib.dmv2.workflow import Workflow
    from moose_lib.operations.declared import Known
    from moose_lib.plan.model import Plan


_HEADER = ("NAME", "LAST RUN", "STARTED AT", "SCHEDULE", "NEXT", "TASKS", "INPUT", "DECLARED AT")


@click.command("list", epilog=examples("moose-cli workflow list", "moose-cli workflow list --json"))
@json_option
@target_options
@pass_output
def list_workflows(output: Output, target: Target) -> None:
    """List the workflows that the project declares, with the last run of each and when its schedule fires next.

    Without a project here: the names of those that have run lately.
    """
    from moose_lib.cli.listed import known_about
    from moose_lib.cli.session import open_session
    from moose_lib.operations.declared import workflow_document

    session = open_session(target)
    loaded = session.load()
    if loaded is None:
        _list_names(output, target, session)
        return
    found = [(loaded.workflows[name], loaded.plans[name]) for name in sorted(loaded.workflows)]
    known = known_about(session, [plan for _, plan in found])
    if known.fault is not None:
        output.note(f"{known.fault}, so last runs and next fires are not known")
    if output.is_json:
        now = datetime.now(UTC)
        output.document([workflow_document(workflow, plan, known, now) for workflow, plan in found])
        return
    rows = [_row(workflow, plan, known) for workflow, plan in found]
    if rows:
        output.table(_HEADER, rows)
    else:
        output.talk("no workflows are declared")


def _list_names(output: Output, target: Target, session: Session) -> None:
    from moose_lib.cli.session import open_project
    from moose_lib.errors import EngineUnreachable
    from moose_lib.operations.listing import list_names

    try:
        names = session.run(lambda client: list_names(client, task_queue=session.task_queue))
    except EngineUnreachable:
        open_project(target)  # says that there is no project, which is the nearer reason
        raise
    output.note("no project here: these are the workflows that have run lately")
    if output.is_json:
        output.document([{"name": name, "schedule": None} for name in names])
    elif names:
        output.table(("NAME",), [(name,) for name in names])


def _row(workflow: Workflow, plan: Plan, known: Known) -> tuple[str, ...]:
    from moose_lib.cli.listed import standing
    from moose_lib.cli.next_fires import fire_text
    from moose_lib.cli.texts import local_text

    run, fire = known.runs.get(plan.workflow), known.fires.get(plan.workflow)
    return (
        plan.workflow,
        standing(known, plan.workflow),
        "-" if run is None else local_text(run.started),
        "-" if plan.schedule is None else plan.schedule.text,
        "-" if fire is None else fire_text(fire),
        str(len(plan.tasks)),
        plan.task(plan.start).input_type or "-",
        _shown_place(workflow),
    )


def _shown_place(workflow: Workflow) -> str:
    file, here = Path(workflow.location.file), Path.cwd()
    return f"{file.relative_to(here) if file.is_relative_to(here) else file}:{workflow.location.line}"
