"""Groups whose commands are imported when they are needed, with short aliases and did-you-mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

import click

__all__ = ["CommandPlace", "LazyGroup", "NoSuchName", "examples"]


class NoSuchName(click.UsageError):
    """A command that does not exist; `hint` is the one that was probably meant."""

    def __init__(self, message: str, name: str, known: Iterable[str], ctx: click.Context) -> None:
        super().__init__(message, ctx)
        close = get_close_matches(name, known, n=1)
        self.hint = f"did you mean: {ctx.command_path} {close[0]}" if close else f"{ctx.command_path} --help"


@dataclass(frozen=True, kw_only=True)
class CommandPlace:
    """Where a command is: `module:attribute`, and its short names."""

    place: str
    aliases: tuple[str, ...] = ()

    def load(self) -> click.Command:
        """Import it."""
        module, _, attribute = self.place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), self.place
        return command


class LazyGroup(click.Group):
    """A group that knows its commands by their places."""

    def __init__(self, *args: object, places: Mapping[str, CommandPlace], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed on to click as they are
        self._places = places
        self._names = {alias: name for name, place in places.items() for alias in (name, *place.aliases)}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Name the commands in the order people use them."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        """Import the command of that name or alias."""
        name = self._names.get(cmd_name)
        return None if name is None else self._places[name].load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first argument; a name nobody knows may have been meant for another."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise NoSuchName(f"no such command {error.command_name!r}", error.command_name, self._places, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        """List the commands with their aliases."""
        rows = list[tuple[str, str]]()
        for name, place in self._places.items():
            shown = ", ".join((name, *place.aliases))
            rows.append((shown, place.load().get_short_help_str(90)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def examples(*lines: str) -> str:
    """Return the epilog of a command: calls that can be pasted."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
