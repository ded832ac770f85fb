"""The only place that prints. stdout is data, stderr is talk; colour adds, never carries, meaning."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TextIO, TypeAlias

__all__ = ["Json", "Output", "OutputClosed", "Paint"]

#: What a `--json` document is made of; `Any` because JSON is.
Json: TypeAlias = dict[str, Any] | list[Any]

Paint = Literal["good", "bad", "warn", "dim", "strong", "accent"]
_CODES: dict[Paint, str] = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "strong": "1", "accent": "36"}


class OutputClosed(Exception):
    """Whoever read our output has gone (`| head`): nothing is left to say."""


class Output:
    """Where a command's words go.

    With `is_json`, stdout gets one JSON document and nothing else. `has_color` is what the user allows; whether a
    stream shows colour also depends on it being a terminal.
    """

    def __init__(self, *, is_json: bool = False, has_color: bool = True) -> None:
        self.is_json = is_json
        self._has_color = has_color
        self._indent: int | None = 2
        self._complete: Callable[[str], str] = str

    def use_lines(self) -> None:
        """Print a JSON document on one line: with `--json` this command prints JSON Lines, and its errors so too."""
        self._indent = None

    def complete_commands(self, complete: Callable[[str], str]) -> None:
        """Let `complete` add to the commands in hints and notes what the command line said."""
        self._complete = complete

    def pasteable(self, text: str) -> str:
        """Return a text of ours with its commands as they work when they are pasted."""
        return self._complete(text)

    @property
    def is_live(self) -> bool:
        """Somebody watches: a terminal that may be drawn on."""
        return sys.stdout.isatty() and not self.is_json

    @property
    def has_color(self) -> bool:
        """The user allows colour."""
        return self._has_color

    def forbid_color(self) -> None:
        """Go on without colour."""
        self._has_color = False

    def data(self, *lines: str) -> None:
        """Print lines of the answer; with `--json` there are none beside the document."""
        if not self.is_json:
            for line in lines:
                _print(line, sys.stdout)

    def document(self, value: Json) -> None:
        """Print the JSON document, once per command."""
        _print(json.dumps(value, indent=self._indent, ensure_ascii=False), sys.stdout)

    def documents(self, values: Iterable[Json]) -> None:
        """Print several lines of JSON Lines at once."""
        _print("\n".join(json.dumps(value, ensure_ascii=False) for value in values), sys.stdout)

    def text(self, text: str) -> None:
        """Print text that is a format of its own, as CSV; also with `--json`, where it is part of the document."""
        _print(text, sys.stdout)

    def binary(self, value: bytes) -> None:
        """Write bytes to stdout, for a file or another program."""
        try:
            sys.stdout.buffer.write(value)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise OutputClosed from error

    def talk(self, *lines: str) -> None:
        """Print lines for people only."""
        for line in lines:
            _print(line, sys.stderr)

    def hint(self, text: str) -> None:
        """Print what to do next."""
        self.talk(f"{self.paint('hint:', 'accent', sys.stderr)} {self.pasteable(text)}")

    def note(self, text: str) -> None:
        """Print something worth knowing that is no mistake."""
        self.talk(f"{self.paint('note:', 'warn', sys.stderr)} {self.pasteable(text)}")

    def error(self, text: str) -> None:
        """Print what went wrong."""
        self.talk(f"{self.paint('error:', 'bad', sys.stderr)} {text}")

    def paint(self, text: str, paint: Paint | None, stream: TextIO | None = None) -> str:
        """Return the text in a colour, where the stream shows colours."""
        if paint is None or not self._has_color or not (stream or sys.stdout).isatty():
            return text
        return f"\x1b[{_CODES[paint]}m{text}\x1b[0m"

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], paints: Sequence[Paint | None] = ()) -> None:
        """Print rows in columns as wide as their content: never cut, so that ids can be copied and piped."""
        cells = [list(header), *(list(row) for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        for number, row in enumerate(cells):
            padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            padded[-1] = row[-1]
            paint: Paint | None = "dim" if number == 0 else (paints[number - 1] if paints else None)
            self.data(self.paint("  ".join(padded).rstrip(), paint))


def _print(line: str, stream: TextIO) -> None:
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError as error:
        raise OutputClosed from error
