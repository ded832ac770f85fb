"""`moose-cli completion`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import pass_output
from moose_lib.cli.output import Output

_VARIABLE = "_MOOSE_CLI_COMPLETE"


@click.command(
    epilog=examples(
        'eval "$(moose-cli completion bash)"',
        "moose-cli completion zsh > ~/.zfunc/_moose-cli",
        "moose-cli completion fish > ~/.config/fish/completions/moose-cli.fish",
    )
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@pass_output
def completion(output: Output, shell: str) -> None:
    """Print the script that completes commands and options in a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = click.get_current_context().find_root()
    assert kind is not None, "click knows each of the choices"
    output.data(kind(root.command, {}, "moose-cli", _VARIABLE).source().rstrip("\n"))
