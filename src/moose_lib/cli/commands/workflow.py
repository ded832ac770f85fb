"""`moose-cli workflow`: the group of verbs on workflows and their runs."""

from __future__ import annotations

import click

from moose_lib.cli.groups import CommandPlace, LazyGroup, examples

_HERE = "moose_lib.cli.commands"
_COMMANDS = {
    "run": CommandPlace(place=f"{_HERE}.run:run", aliases=("r",)),
    "list": CommandPlace(place=f"{_HERE}.list:list_workflows", aliases=("l",)),
    "status": CommandPlace(place=f"{_HERE}.status:status", aliases=("s",)),
    "history": CommandPlace(place=f"{_HERE}.history:history", aliases=("h",)),
    "explain": CommandPlace(place=f"{_HERE}.explain:explain", aliases=("e",)),
    "run-task": CommandPlace(place=f"{_HERE}.run_task:run_task"),
    "result": CommandPlace(place=f"{_HERE}.result:result"),
    "resume": CommandPlace(place=f"{_HERE}.resume:resume"),
    "retry": CommandPlace(place=f"{_HERE}.decide:retry"),
    "skip": CommandPlace(place=f"{_HERE}.decide:skip"),
    "fail": CommandPlace(place=f"{_HERE}.decide:fail"),
    "pause": CommandPlace(place=f"{_HERE}.pause:pause", aliases=("p",)),
    "unpause": CommandPlace(place=f"{_HERE}.pause:unpause", aliases=("u",)),
    "cancel": CommandPlace(place=f"{_HERE}.stop:cancel", aliases=("c",)),
    "terminate": CommandPlace(place=f"{_HERE}.stop:terminate", aliases=("t",)),
    "graph": CommandPlace(place=f"{_HERE}.graph:graph", aliases=("g",)),
}


@click.group(
    cls=LazyGroup,
    places=_COMMANDS,
    epilog=examples(
        "moose-cli workflow run OrderProcessing --input @order.json --wait",
        "moose-cli workflow status OrderProcessing",
        "moose-cli workflow history --status failed",
    ),
)
def workflow() -> None:
    """Run workflows and look at their runs."""
