"""What the command line has, for hints that say it again: without `--dry-run`, what is pasted would really act."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import click
from click.core import ParameterSource

__all__ = ["typed_command"]


def typed_command(*, without: Sequence[str] = ()) -> str:
    """Return the command that runs with the options it was given, except some: `moose-cli workflow retry --dry-run`.

    `without` has names of parameters. Arguments are not in it.
    """
    context = click.get_current_context()
    return " ".join(["moose-cli workflow", str(context.info_name), *_option_words(context, without)])


def _option_words(context: click.Context, without: Sequence[str]) -> Iterator[str]:
    for option in context.command.params:
        name = option.name or ""
        if not isinstance(option, click.Option) or name in without:
            continue
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if option.is_flag:
            yield option.opts[-1]
            continue
        value = context.params[name]
        for each in value if option.multiple else [value]:
            yield from (option.opts[-1], shlex.quote(str(each)))
