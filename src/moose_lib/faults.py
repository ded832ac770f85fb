"""What is wrong with a definition or a value, and where: the records that errors carry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in the user's code: absolute file path and 1-based line."""

    file: str
    line: int

    def __str__(self) -> str:
        """`file:line`, which editors and terminals make clickable."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One mistake in a definition.

    `code` is a stable word for programs (`cycle`, `duplicate-task`, `ambiguous-input` …), `message` says what is
    wrong with the offending value in it, `hint` what to change.
    """

    code: str
    message: str
    location: Location | None = None
    hint: str | None = None
    workflow: str | None = None
    task: str | None = None

    def __str__(self) -> str:
        """`file:line: message`, without the hint."""
        return self.message if self.location is None else f"{self.location}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class FieldFault:
    """One field of a value that does not fit its model: dotted path (`items.0.price`; empty = the value), reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        """`path: reason`, or the reason alone for the value as a whole."""
        return f"{self.path}: {self.reason}" if self.path else self.reason
