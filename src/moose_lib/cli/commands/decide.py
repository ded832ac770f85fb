"""`moose-cli workflow retry`, `skip` and `fail`: what becomes of parked tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output
from moose_lib.cli.selecting import Selection, selection_options
from moose_lib.errors import MooseError

if TYPE_CHECKING:
    from moose_lib.cli.acting import Done
    from moose_lib.cli.session import Session
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunSummary

_PARKED = ("parked",)


class OutputMissing(MooseError):
    """A parked task is to be skipped without the output that it would have had."""

    exit_code = 2


@click.command(
    epilog=examples(
        "moose-cli workflow retry OrderProcessing-1f0c8a9d2b3e4f50 charge",
        "moose-cli workflow retry OrderProcessing-1f0c8a9d2b3e4f50",
        "moose-cli workflow retry --status parked --workflow OrderProcessing --since 2h",
    )
)
@selection_options(states=_PARKED)
@click.argument("task", required=False)
@json_option
@target_options
@pass_output
def retry(output: Output, target: Target, selection: Selection, task: str | None) -> int:
    """Run a parked TASK again, with all its attempts and the code of now; without TASK, all parked ones of the run."""
    from moose_lib.cli.acting import Action, Done, act
    from moose_lib.cli.dev_code import await_dev_code
    from moose_lib.cli.session import open_session
    from moose_lib.operations.decisions import retry_task
    from moose_lib.operations.parked import find_parked

    if not selection.is_dry:
        await_dev_code(output, open_session(target), is_loaded=False)

    async def perform(client: Client, run: RunSummary) -> Done:
        names = await find_parked(client, run, task)
        for name in names:
            await retry_task(client, run, name)
        return Done(text=f"retries {', '.join(names)}", facts={"tasks": list(names)})

    return act(output, target, selection, Action(perform=perform, would="would be retried", default_states=_PARKED))


@click.command(
    epilog=examples(
        """moose-cli workflow skip OrderProcessing-1f0c8a9d2b3e4f50 charge --output '{"receipt": "by phone"}'""",
        "moose-cli workflow skip OrderProcessing-1f0c8a9d2b3e4f50 notify",
    )
)
@click.argument("run", metavar="NAME|RUN")
@click.argument("task")
@click.option("-o", "--output", "given", metavar="JSON|@FILE|-", help="The task's output; not for one that has none.")
@json_option
@target_options
@pass_output
def skip(output: Output, target: Target, run: str, task: str, given: str | None) -> int:
    """Go on as if a parked TASK had completed with an output that you give. It is checked against the task's model."""
    from moose_lib.cli.acting import Action, Done, act
    from moose_lib.cli.inputs import read_input
    from moose_lib.cli.selecting import one_run
    from moose_lib.cli.session import open_session
    from moose_lib.operations.decisions import skip_task
    from moose_lib.operations.parked import find_parked

    data = read_input(given, option="--output")
    session = open_session(target)

    async def perform(client: Client, run: RunSummary) -> Done:
        await find_parked(client, run, task)
        await skip_task(client, run, task, _checked(session, run, task, data))
        return Done(text=f"goes on after {task} with the given output", facts={"tasks": [task]})

    return act(output, target, one_run(run), Action(perform=perform, would="", default_states=()))


def _checked(session: Session, run: RunSummary, task_name: str, data: bytes | None) -> bytes:
    """The output as it travels, if the project here says that it fits."""
    from moose_lib.cli.naming import code_is_gone
    from moose_lib.cli.type_names import example_input, fields_text
    from moose_lib.errors import InvalidOutput, ProjectNotFound, TaskNotFound, UnfitOutput
    from moose_lib.values import settle_output

    loaded = session.load()
    if loaded is None:
        raise ProjectNotFound("the output cannot be checked: the project is not here", hint="add --file FILE")
    workflow = loaded.workflows.get(run.name)
    if workflow is None:
        raise code_is_gone(run.workflow_id, run.name)
    task = workflow.get_task(task_name)
    if task is None:
        raise TaskNotFound(f"the code of now has no task {task_name!r} in workflow {run.name!r}")
    if task.output_type is None and data not in {None, b"null"}:
        raise click.UsageError(f"task {task_name!r} has no output: leave --output out")
    example = "" if task.output_type is None else f" --output '{example_input(task.output_type)}'"
    hint = f"moose-cli workflow skip {run.workflow_id} {task_name}{example}"
    if task.output_type is not None and data is None:
        model = f"{task.output_type.__name__} ({fields_text(task.output_type)})"
        raise OutputMissing(f"task {task_name!r} has an output, so give one: a {model}", hint=hint)
    try:
        return settle_output(task_name, task.output_type, b"null" if data is None else data)
    except InvalidOutput as error:
        raise UnfitOutput(error.task, error.model, error.faults, hint=hint) from None


@click.command(
    epilog=examples("moose-cli workflow fail OrderProcessing-1f0c8a9d2b3e4f50 --reason 'the customer is gone'")
)
@selection_options(states=_PARKED)
@click.option("--reason", metavar="TEXT", help="Why; told beside the error of the run.")
@json_option
@target_options
@pass_output
def fail(output: Output, target: Target, selection: Selection, reason: str | None) -> int:
    """Give up the parked tasks of a run: it fails, once its other branches have finished."""
    from moose_lib.cli.acting import Action, Done, act
    from moose_lib.operations.decisions import give_up_run
    from moose_lib.operations.parked import find_parked

    async def perform(client: Client, run: RunSummary) -> Done:
        names = await find_parked(client, run, None)
        await give_up_run(client, run, reason)
        return Done(text=f"fails: gave up {', '.join(names)}", facts={"tasks": list(names)})

    return act(output, target, selection, Action(perform=perform, would="would fail", default_states=_PARKED))
