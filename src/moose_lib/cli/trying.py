"""Running one task here: its input from a run or from the command line, then its output, or its error."""

from __future__ import annotations

import bdb
import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel

from moose_lib.calling import AnyTask, users_frames
from moose_lib.cli.inputs import read_input
from moose_lib.cli.naming import workflow_not_found
from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session, open_project, open_session
from moose_lib.cli.type_names import example_input
from moose_lib.dmv2.deliveries import Deliveries
from moose_lib.dmv2.workflow import RunInfo, Workflow
from moose_lib.errors import InputNotRecorded, InvalidInput, InvalidOutput, TaskNotFound
from moose_lib.operations.trying import TriedTask, given_input, recorded_input, try_task
from moose_lib.plan.model import Plan
from moose_lib.project.loader import LoadedProject, load_project
from moose_lib.unknown_fields import unknown_fields_notes

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.past import PastRun
    from moose_lib.operations.records import RunSummary

__all__ = ["Wanted", "run_task"]

#: The ids in `ctx.run` of a task that runs for no run.
_NO_RUN = "local"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line says: `task` is None for the one that `explain` would name."""

    workflow: str
    task: str | None
    from_run: str | None
    given: str | None
    is_debugged: bool


@dataclass(frozen=True, kw_only=True)
class _Trial:
    task: AnyTask
    run: RunInfo
    given: BaseModel | None


def run_task(output: Output, target: Target, wanted: Wanted) -> int:
    """Run the task and return the exit code: 1 if it raised."""
    session = open_session(target)
    loaded = load_project(session.project or open_project(target))
    workflow = loaded.workflows.get(wanted.workflow)
    if workflow is None:
        raise workflow_not_found(wanted.workflow, loaded.workflows, "moose-cli workflow run-task")
    if wanted.from_run is None:
        trial = _given(output, workflow, wanted)
    else:
        trial = _recorded(session, workflow, loaded.plans[wanted.workflow], wanted, wanted.from_run)
    _log_to_stderr(session)
    if not output.is_json:
        output.note(f"runs {trial.task.name} here, {_origin(trial)}; no run is touched")
    try:
        with contextlib.redirect_stdout(sys.stderr) if output.is_json else contextlib.nullcontext():
            tried = try_task(trial.task, trial.given, trial.run)
    except bdb.BdbQuit:
        return 1
    return _tell(output, loaded, trial, tried, is_debugged=wanted.is_debugged)


def _origin(trial: _Trial) -> str:
    return "with the given input" if trial.run.run_id == _NO_RUN else f"with its input of run {trial.run.run_id}"


def _given(output: Output, workflow: Workflow, wanted: Wanted) -> _Trial:
    if wanted.task is None:
        raise click.UsageError("name the task, or a run with --from-run: then it is the task that failed there")
    data = read_input(wanted.given)
    task = _task_of(workflow, wanted.task)
    try:
        given = given_input(task, data)
    except InvalidInput as error:
        start = f"moose-cli workflow run-task {workflow.name} {task.name}"
        hint = None if task.input_type is None else f"{start} --input '{example_input(task.input_type)}'"
        raise InvalidInput(error.owner, error.model, error.faults, hint=hint) from None
    if given is not None and data is not None:
        for note in unknown_fields_notes(given, json.loads(data)):
            output.note(note)
    run = RunInfo(workflow=workflow.name, workflow_id=_NO_RUN, run_id=_NO_RUN, task=task.name, attempt=1)
    return _Trial(task=task, run=run, given=given)


def _recorded(session: Session, workflow: Workflow, plan: Plan, wanted: Wanted, reference: str) -> _Trial:
    found, past, culprit = session.run(lambda client: _fetch(client, workflow.name, reference))
    if wanted.task is None and culprit is None:
        raise TaskNotFound(
            f"no task of run {past.status.workflow_id!r} failed or blocks it",
            hint=f"name one: moose-cli workflow run-task {workflow.name} TASK --from-run {reference}",
        )
    task = _task_of(workflow, wanted.task or culprit or "")
    planned = plan.find(task.name)
    assert planned is not None, "a plan has every task of its workflow"
    try:
        given = recorded_input(task, planned.source, past.input, past.outputs)
    except InputNotRecorded as error:
        hint = f"give one: moose-cli workflow run-task {workflow.name} {task.name} --input JSON"
        raise InputNotRecorded(error.message, hint=hint) from None
    run = RunInfo(
        workflow=workflow.name,
        workflow_id=found.workflow_id,
        run_id=past.status.run_id,
        task=task.name,
        attempt=1,
        scheduled_time=found.scheduled_time,
        deliveries=Deliveries(past.origin),
    )
    return _Trial(task=task, run=run, given=given)


async def _fetch(client: Client, workflow: str, reference: str) -> tuple[RunSummary, PastRun, str | None]:
    """Return the run, and the task that `explain` would name."""
    from moose_lib.operations.explaining import find_cause
    from moose_lib.operations.listing import find_run
    from moose_lib.operations.past import read_past

    run = await find_run(client, reference, name=workflow)
    past = await read_past(client, run)
    return run, past, find_cause(past.status).task


def _task_of(workflow: Workflow, name: str) -> AnyTask:
    task = workflow.get_task(name)
    if task is not None:
        return task
    names = workflow.get_task_names()
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    raise TaskNotFound(
        f"workflow {workflow.name!r} has no task {name!r}",
        hint=f"did you mean: {close[0]}" if close else f"its tasks are {', '.join(names)}",
    )


def _log_to_stderr(session: Session) -> None:
    """Show what the code logs; stdout is for what it prints, and for its output."""
    logging.basicConfig(
        level=session.settings.logger.level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    for name in ("asyncio", "temporalio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _tell(output: Output, loaded: LoadedProject, trial: _Trial, tried: TriedTask, *, is_debugged: bool) -> int:
    if output.is_json:
        output.document(_document(trial, tried))
    if tried.error is None:
        output.data(*_output_lines(tried.output))
        return 0
    if isinstance(tried.error, InvalidOutput):
        output.error(tried.error.message)
        return 1
    output.talk(*_traceback_lines(tried.error))
    if is_debugged:
        from moose_lib.cli.debugging import post_mortem

        post_mortem(users_frames(tried.error), loaded.project.root)
    return 1


def _traceback_lines(error: BaseException) -> Iterator[str]:
    for part in traceback.format_exception(type(error), error, users_frames(error)):
        yield from part.rstrip("\n").splitlines()


def _output_lines(data: bytes | None) -> list[str]:
    return json.dumps(json.loads(data or b"null"), indent=2, ensure_ascii=False).splitlines()


def _document(trial: _Trial, tried: TriedTask) -> dict[str, Any]:  # Any: JSON
    error = tried.error
    return {
        "workflow_name": trial.run.workflow,
        "task": trial.task.name,
        "workflow_id": trial.run.workflow_id,
        "run_id": trial.run.run_id,
        "output": None if tried.output is None else json.loads(tried.output),
        "error": None
        if error is None
        else {
            "class": f"{type(error).__module__}.{type(error).__qualname__}",
            "type": type(error).__name__,
            "message": str(error),
            "traceback": "\n".join(_traceback_lines(error)),
        },
    }
