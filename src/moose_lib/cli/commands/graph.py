"""`moose-cli workflow graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moose_lib.cli.session import Session
    from moose_lib.errors import MooseError
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunStatus
    from moose_lib.plan.model import Plan


@click.command(
    epilog=examples(
        "moose-cli workflow graph OrderProcessing",
        "moose-cli workflow graph OrderProcessing --format mermaid > order.mmd",
        "moose-cli workflow graph OrderProcessing-1f0c8a9d2b3e4f50",
        "moose-cli workflow graph OrderProcessing-1f0c8a9d2b3e4f50 --format dot | dot -Tsvg > run.svg",
    )
)
@click.argument("name", metavar="NAME|RUN")
@click.option("--format", "kind", type=click.Choice(("text", "mermaid", "dot")), default="text", show_default=True)
@json_option
@target_options
@pass_output
def graph(output: Output, target: Target, name: str, kind: str) -> None:
    """Draw a workflow: its tasks, and which value feeds which task. Or a run, coloured by how its tasks stand.

    NAME is a workflow of the project, and needs no Temporal. RUN is a workflow id or a run id.
    """
    from moose_lib.cli.session import open_session
    from moose_lib.errors import ImportFailed, InvalidDefinition
    from moose_lib.plan.render import dot, mermaid, tree

    session = open_session(target)
    plans: Mapping[str, Plan] = {}
    broken: MooseError | None = None
    try:
        loaded = session.load()
        plans = {} if loaded is None else loaded.plans
    except (ImportFailed, InvalidDefinition) as error:  # a run can be drawn all the same
        broken = error
    if name not in plans:
        _draw_run(output, target, session, name, kind, plans, broken)
        return
    if output.is_json:
        output.document(plans[name].model_dump(mode="json"))
    drawers: dict[str, Callable[[Plan], str]] = {"text": tree, "mermaid": mermaid, "dot": dot}
    output.data(drawers[kind](plans[name]).rstrip("\n"))


def _draw_run(
    output: Output,
    target: Target,
    session: Session,
    name: str,
    kind: str,
    plans: Mapping[str, Plan],
    broken: MooseError | None,
) -> None:
    from moose_lib.cli.drawing import run_drawing, run_graph_document
    from moose_lib.errors import NotFound

    status = _find(target, session, name, plans, broken)
    if status.plan is None:
        hint = f"moose-cli workflow explain {status.workflow_id}"
        raise NotFound(f"run {status.workflow_id!r} has no plan yet", hint=hint)
    if output.is_json:
        output.document(run_graph_document(status, status.plan))
    output.data(*run_drawing(status, status.plan, kind, output))


def _find(
    target: Target, session: Session, name: str, plans: Mapping[str, Plan], broken: MooseError | None
) -> RunStatus:
    """Return the run that is meant; if there is none, the likelier mistake is told."""
    from moose_lib.cli.naming import workflow_not_found
    from moose_lib.cli.session import open_project
    from moose_lib.cli.showing import find_reference
    from moose_lib.errors import EngineUnreachable, RunNotFound
    from moose_lib.operations.following import run_status

    async def work(client: Client) -> RunStatus:
        run = await find_reference(client, name, None)
        return await run_status(client, run.workflow_id, run.run_id)

    try:
        return session.run(work)
    except (RunNotFound, EngineUnreachable) as error:
        if broken is not None:
            raise broken from None
        if session.project is None:
            open_project(target)  # says that there is none
        missing = workflow_not_found(name, plans, "moose-cli workflow graph")
        if isinstance(error, EngineUnreachable) and not (missing.hint or "").startswith("did you mean"):
            raise  # it may well be a run
        raise missing from None
