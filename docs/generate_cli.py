"""Write the command reference, `docs/cli.md`, from the commands themselves: `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from moose_lib.cli.main import cli

REFERENCE = Path(__file__).with_name("cli.md")
_WIDTH = 100
_HEAD = """# Command reference

Generated from the commands by `make docs`. Results go to stdout and talk to stderr; `--json` prints exactly one JSON
document, also for errors.

Exit codes: 0 done, 1 the run or the operation failed, 2 wrong usage, settings or definition, 3 nothing to connect to,
4 not found, 124 gave up waiting, 130 interrupted.
"""


def reference() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(path, command) for path, command in _commands("moose-cli", cli))


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from _commands(f"{path} {name}", child)


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=_WIDTH, max_content_width=_WIDTH)
    return f"\n## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    REFERENCE.write_text(reference())
    sys.stderr.write(f"wrote {REFERENCE}\n")
