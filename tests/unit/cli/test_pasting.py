"""Commands in hints work when they are pasted: they say again what the command line said."""

from __future__ import annotations

from pathlib import Path

import pytest

from moose_lib.cli.main import cli
from moose_lib.cli.options import Target
from moose_lib.cli.pasting import Pasting

SAID = Target(
    file=Path("my app.py"),
    overrides={"temporal_config.address": "here:7233", "temporal_config.task_queue": "slow"},
).said


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        (
            "moose-cli workflow status p-1 --watch",
            "moose-cli workflow status -f 'my app.py' --address here:7233 --task-queue slow p-1 --watch",
        ),
        (
            "moose-cli dev   or, against this Temporal: moose-cli worker",
            (
                "moose-cli dev 'my app.py' --task-queue slow   or, against this Temporal: "
                "moose-cli worker -f 'my app.py' --address here:7233 --task-queue slow"
            ),
        ),
        ("did you mean: moose-cli dead-letters Order", "did you mean: moose-cli dead-letters -f 'my app.py' Order"),
        ("moose-cli logs r1", "moose-cli logs --file 'my app.py' --address here:7233 --task-queue slow r1"),
        ("moose-cli check", "moose-cli check 'my app.py'"),
        (
            "moose-cli worker --task-queue other",
            "moose-cli worker -f 'my app.py' --address here:7233 --task-queue other",
        ),
        ("moose-cli dev FILE, elsewhere --file FILE", "moose-cli dev FILE, elsewhere --file FILE"),
        ("moose-cli workflow skip --help", "moose-cli workflow skip --help"),
        ("moose-cli workflow", "moose-cli workflow"),
        ("this is a mistake in moose-cli itself", "this is a mistake in moose-cli itself"),
        ("moose-cli generate hash-token makes one", "moose-cli generate hash-token makes one"),
    ],
)
def test_a_command_gets_what_it_takes_and_does_not_have_yet(text: str, completed: str) -> None:
    """Each command in a text, whatever stands around it; what is no command stays as it is."""
    assert Pasting(root=cli, said=SAID).complete(text) == completed


def test_where_nothing_was_said_nothing_is_added() -> None:
    """The settings say the rest."""
    assert Pasting(root=cli, said=Target().said).complete("moose-cli workflow list") == "moose-cli workflow list"
