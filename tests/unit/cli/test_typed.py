"""A hint that says a command again has the options that were typed: above all `--dry-run`."""

from __future__ import annotations

import shlex

import click
import pytest

from moose_lib.cli.commands.decide import fail
from moose_lib.cli.commands.resume import resume
from moose_lib.cli.commands.stop import cancel
from moose_lib.cli.typed import typed_command


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        (
            resume,
            "--from charge --workflow=Ordrs --dry-run -s failed -s timed_out --since 2h",
            "resume --status failed --status timed_out --since 2h --dry-run --from charge",
        ),
        (fail, "--workflow Ordrs --reason 'is gone'", "fail --reason 'is gone'"),
        (cancel, "Orders --all --json --file flow.py", "cancel --all --json --file flow.py"),
        (cancel, "--workflow Ordrs", "cancel"),
    ],
)
def test_it_has_the_options_of_the_command_line(command: click.Command, words: str, told: str) -> None:
    """Whichever way they were written; defaults are left out."""
    with command.make_context(command.name, shlex.split(words)):
        assert typed_command(without=["workflow"]) == f"moose-cli workflow {told}"
