"""The entry: parse, run, report, exit."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from moose_lib.cli.groups import CommandPlace, LazyGroup
from moose_lib.cli.output import Output, OutputClosed
from moose_lib.project.ending import Terminated

__all__ = ["cli", "end", "main", "run"]

_COMMANDS = {
    "dev": CommandPlace(place="moose_lib.cli.commands.dev:dev"),
    "workflow": CommandPlace(place="moose_lib.cli.commands.workflow:workflow", aliases=("w",)),
    "logs": CommandPlace(place="moose_lib.cli.commands.logs:logs"),
    "check": CommandPlace(place="moose_lib.cli.commands.check:check"),
    "serve": CommandPlace(place="moose_lib.cli.commands.serve:serve"),
    "query": CommandPlace(place="moose_lib.cli.commands.query:query"),
    "peek": CommandPlace(place="moose_lib.cli.commands.peek:peek"),
    "ls": CommandPlace(place="moose_lib.cli.commands.ls:ls"),
    "status": CommandPlace(place="moose_lib.cli.commands.store_status:store_status"),
    "dead-letters": CommandPlace(place="moose_lib.cli.commands.dead_letters:dead_letters"),
    "generate": CommandPlace(place="moose_lib.cli.commands.generate:generate", aliases=("g",)),
    "worker": CommandPlace(place="moose_lib.cli.commands.worker:worker"),
    "schedule": CommandPlace(place="moose_lib.cli.commands.schedule:schedule"),
    "deploy": CommandPlace(place="moose_lib.cli.commands.deploy:deploy"),
    "completion": CommandPlace(place="moose_lib.cli.commands.completion:completion"),
}
_EPILOG = """\b
Start here:
  moose-cli dev app.py                       engine, worker and UI for one file
  moose-cli workflow run NAME --wait         run a workflow and watch its tasks
  moose-cli workflow status NAME             every task of the latest run
  moose-cli logs NAME                        what its tasks printed and logged

\b
Exit codes:
  0 done   1 the run or the operation failed   2 wrong usage or definition
  3 nothing to connect to   4 not found   124 gave up waiting   130 interrupted
"""


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
#: What a shell reports for a program whose reader has gone, as `| head` does.
_BROKEN_PIPE = 141


def _forbid_color(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Take effect whichever of the two ways asked for it."""
    del parameter
    if value:
        context.ensure_object(Output).forbid_color()


@click.group(cls=LazyGroup, places=_COMMANDS, epilog=_EPILOG, context_settings=_CONTEXT)
@click.version_option(package_name="moose-workflows", message="moose-cli %(version)s")
@click.option(
    "--no-color", is_flag=True, callback=_forbid_color, expose_value=False, help="No colours, as with NO_COLOR set."
)
@click.option("--no-color-variable", envvar="NO_COLOR", callback=_forbid_color, expose_value=False, hidden=True)
def cli() -> None:
    """Typed workflows in plain Python that run durably on Temporal."""


def run() -> NoReturn:
    """Run the command line and end the process."""
    signal.signal(signal.SIGTERM, _terminated)
    end(main(sys.argv[1:]))


def _terminated(number: int, frame: object) -> NoReturn:  # noqa: ARG001  # Python's signature
    """Leave as on any other error, so that a terminal gets its cursor back."""
    raise Terminated(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; whatever went wrong has been told."""
    output = Output(is_json="--json" in arguments)
    try:
        return _invoke(arguments, output)
    except OutputClosed:
        return _BROKEN_PIPE


def _invoke(arguments: Sequence[str], output: Output) -> int:
    try:
        code = cli.main(args=list(arguments), prog_name="moose-cli", obj=output, standalone_mode=False)
    except OutputClosed:
        raise
    except BaseException as error:  # noqa: BLE001  # the boundary: an exit code for everything
        from moose_lib.cli.failing import report  # only when something failed

        return report(error, output)
    return code if isinstance(code, int) else 0


def end(code: int) -> NoReturn:
    """End the process with all output written.

    Not through the interpreter's own exit: a process that used a Temporal client may abort there
    (temporalio/sdk-python#300).
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or _BROKEN_PIPE
    os._exit(code)
