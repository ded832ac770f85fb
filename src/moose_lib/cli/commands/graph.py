"""`moose-cli workflow graph`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output


@click.command(
    epilog=examples(
        "moose-cli workflow graph OrderProcessing",
        "moose-cli workflow graph OrderProcessing --format mermaid > order.mmd",
        "moose-cli workflow graph OrderProcessing --format dot | dot -Tsvg > order.svg",
    )
)
@click.argument("name")
@click.option("--format", "kind", type=click.Choice(("text", "mermaid", "dot")), default="text", show_default=True)
@json_option
@target_options
@pass_output
def graph(output: Output, target: Target, name: str, kind: str) -> None:
    """Draw a workflow: its tasks, and which value feeds which task."""
    from moose_lib.cli.naming import workflow_not_found
    from moose_lib.cli.session import open_project, open_session
    from moose_lib.plan.render import dot, mermaid, tree
    from moose_lib.project.loader import load_project

    session = open_session(target)
    plans = load_project(session.project or open_project(target)).plans
    if name not in plans:
        raise workflow_not_found(name, plans, "moose-cli workflow graph")
    plan = plans[name]
    if output.is_json:
        output.document(plan.model_dump(mode="json"))
    output.data({"text": tree, "mermaid": mermaid, "dot": dot}[kind](plan).rstrip("\n"))
