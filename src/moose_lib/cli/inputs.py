"""The input of a run: from the command line, a file or stdin, as JSON that has been read once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

from moose_lib.errors import InvalidJson

__all__ = ["read_input"]


def read_input(text: str | None, *, option: str = "--input") -> bytes | None:
    """Return the JSON that an option means: a literal, `@file`, or `-` for stdin; None if it was not given.

    Raises:
        InvalidJson: not JSON, with line and column; or the file cannot be read.
    """
    if text is None:
        return None
    data, source = _load(text, option)
    try:
        json.loads(data, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        what = what.removesuffix(" at").removesuffix(" starting")  # the place has a word of its own
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidJson(f"{source} is not JSON: {what} at {place}", hint=_hint(text, option)) from error
    except ValueError as error:
        raise InvalidJson(f"{source} is not JSON: {error}") from error
    return data.encode()


def _load(text: str, option: str) -> tuple[str, str]:
    if text == "-":
        return sys.stdin.read(), "stdin"
    if not text.startswith("@"):
        return text, option
    try:
        return Path(text[1:]).read_text(encoding="utf-8"), text[1:]
    except OSError as error:
        raise InvalidJson(f"{text[1:]} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidJson(f"{text[1:]} cannot be read: it is not UTF-8") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _hint(text: str, option: str) -> str | None:
    """A file's name without its @ is the commonest slip."""
    return f"{option} @{text}" if Path(text).suffix == ".json" else None
