"""Commands in what is said, completed so that they work when they are pasted.

Who names a file, a server or a task queue has to name it again in the next command. Hints come from everywhere, also
from layers that know no command line, so what was said is put into their commands here, and nowhere else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import click

__all__ = ["Pasting"]

_PROGRAM = "moose-cli"
#: `moose-cli workflow status`: the words that may name a command.
_COMMAND = re.compile(rf"\b{_PROGRAM}((?: [a-z][a-z-]*)+)")
_HELP = " --help"


@dataclass(frozen=True, kw_only=True)
class Pasting:
    """Knows what the command line said, by the names of the parameters: `{"file": "app.py"}`."""

    root: click.Group
    said: Mapping[str, str] = field(default_factory=dict[str, str])

    def complete(self, text: str) -> str:
        """Return the text with everything that each command in it needs, right after the command's name."""
        return _COMMAND.sub(lambda found: self._completed(found, text), text) if self.said else text

    def _completed(self, found: re.Match[str], text: str) -> str:
        if text.startswith(_HELP, found.end()):
            return found[0]
        command: click.Command = self.root
        words, rest = [_PROGRAM], found[1].split()
        while rest and isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), rest[0])
            if inner is None:
                return found[0]
            command, words = inner, [*words, rest.pop(0)]
        return " ".join([*words, *self._missing(command, text), *rest])

    def _missing(self, command: click.Command, text: str) -> Iterator[str]:
        """The words that the text does not have yet, of those that the command takes."""
        given = set(text.split())
        for parameter in command.params:
            value = self.said.get(parameter.name or "")
            if value is None or not given.isdisjoint(parameter.opts) or "FILE" in given:
                continue
            if isinstance(parameter, click.Option):
                yield parameter.opts[0]
            yield shlex.quote(value)
