"""Starting a run from the command line: everything that can be wrong is told before anything starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from moose_lib.cli.dev_code import await_dev_code
from moose_lib.cli.inputs import read_input
from moose_lib.cli.naming import workflow_not_found
from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session, open_session
from moose_lib.cli.type_names import example_input
from moose_lib.cli.worker_commands import worker_commands
from moose_lib.errors import InvalidInput, ProjectNotFound
from moose_lib.plan.model import Plan
from moose_lib.project.loader import CONFIG_FILE
from moose_lib.unknown_fields import unknown_fields_notes
from moose_lib.values import read_run_input, settle_run_input

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import StartedRun

__all__ = ["Wanted", "idleness", "prepare", "start", "start_wanted", "started_lines"]

#: How long a worker that is there may take to pick a run up; without a known worker there is less to wait for.
_PATIENCE = timedelta(seconds=4)
_NO_PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A run that can be started; `plan` is None if only a worker knows the workflow."""

    session: Session
    name: str
    plan: Plan | None
    data: bytes | None
    workflow_id: str | None


def prepare(
    output: Output,
    target: Target,
    name: str,
    given: str | None,
    workflow_id: str | None,
    *,
    is_once: bool,
    is_remote: bool,
) -> Wanted:
    """Find the workflow and check the input.

    Raises:
        ProjectNotFound: there is no project here, and the run is not said to be `is_remote`.
        WorkflowNotFound: the project does not declare it.
        InvalidJson, InvalidInput: the input cannot be right.
    """
    from moose_lib.operations.identity import derived_workflow_id

    data = read_input(given)
    session = open_session(target)
    if is_remote:
        identity = derived_workflow_id(name, data) if is_once else workflow_id
        return Wanted(session=session, name=name, plan=None, data=data, workflow_id=identity)
    plan, model = _declared(session, name)
    _check_input(output, name, model, data)
    await_dev_code(output, session, is_loaded=True)
    settled = None if model is None else settle_run_input(model, data)
    identity = derived_workflow_id(name, settled) if is_once else workflow_id
    return Wanted(session=session, name=name, plan=plan, data=data, workflow_id=identity)


def _declared(session: Session, name: str) -> tuple[Plan, type[BaseModel] | None]:
    """Return the workflow's plan and the model of its input."""
    loaded = session.load()
    if loaded is None:
        raise ProjectNotFound(
            f"no {CONFIG_FILE} in {Path.cwd()} or above it, so nothing here knows {name!r}",
            hint=f"moose-cli workflow run {name} --file FILE   or, if a worker elsewhere knows it, add --remote",
        )
    workflow = loaded.workflows.get(name)
    if workflow is None:
        raise workflow_not_found(name, loaded.workflows, "moose-cli workflow run")
    return loaded.plans[name], workflow.config.starting_task.input_type


def _check_input(output: Output, name: str, model: type[BaseModel] | None, data: bytes | None) -> None:
    """Refuse an input that cannot be right; mention what will be overlooked."""
    try:
        value = read_run_input(model, data)
    except InvalidInput as error:
        hint = None if model is None else f"moose-cli workflow run {name} --input '{example_input(model)}'"
        raise InvalidInput(f"workflow {name!r}", error.model, error.faults, hint=hint) from None
    if data is None:
        return
    if value is None:
        output.note(f"{name} takes no input: what was given is not used")
        return
    for note in unknown_fields_notes(value, json.loads(data)):
        output.note(note)


async def start_wanted(client: Client, wanted: Wanted) -> StartedRun:
    """Start the run."""
    from moose_lib.operations.connecting import ui_of
    from moose_lib.operations.runs import start_remote_run, start_run

    queue, identity = wanted.session.task_queue, wanted.workflow_id
    ui = ui_of(client, wanted.session.settings)
    if wanted.plan is None:
        return await start_remote_run(client, wanted.name, wanted.data, task_queue=queue, workflow_id=identity, ui=ui)
    return await start_run(client, wanted.plan, wanted.data, task_queue=queue, workflow_id=identity, ui=ui)


async def idleness(client: Client, run: StartedRun, wanted: Wanted) -> str | None:
    """Say why nothing happens, if nobody takes the run up, as far as can be known within five seconds."""
    from moose_lib.operations.workers import is_taken_up, list_pollers

    queue = wanted.session.task_queue
    pollers = await list_pollers(client, queue)
    patience = _PATIENCE if pollers else _NO_PATIENCE
    if await is_taken_up(client, run, needs_plan=wanted.plan is None, within=patience):
        return None
    if not pollers:
        return f"no worker has taken the run yet: nobody works for task queue {queue!r}"
    if wanted.plan is None:
        return f"no worker so far knows a workflow named {run.workflow!r}; the run waits for one"
    return f"no worker has taken the run yet, though some have worked for task queue {queue!r} lately"


def start(output: Output, wanted: Wanted) -> int:
    """Start the run and say where it can be seen."""
    from moose_lib.operations.documents import started_document

    async def work(client: Client) -> tuple[StartedRun, str | None]:
        run = await start_wanted(client, wanted)
        output.data(*started_lines(run))
        return run, await idleness(client, run, wanted)

    run, idle = wanted.session.run(work)
    if output.is_json:
        output.document(started_document(run, has_worker=idle is None))
    if idle is not None:
        output.note(idle)
        output.hint(worker_commands(wanted.session, wanted.session.task_queue).hint)
    elif not output.is_json:
        output.hint(f"moose-cli workflow status {run.workflow_id} --watch")
    return 0


def started_lines(run: StartedRun, verb: str = "started") -> Sequence[str]:
    """Return what is said of a run that was just started."""
    lines = [f"'{run.workflow}' {verb} successfully.", f"Workflow ID: {run.workflow_id}", f"Run ID: {run.run_id}"]
    return lines if run.ui_url is None else [*lines, f"View it in the Temporal dashboard: {run.ui_url}"]
