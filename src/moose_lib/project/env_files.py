"""Reading `.env` files: `NAME=value` lines, quotes, comments, values over several lines in double or single quotes.

Values are taken as they stand: no interpolation, so a `$` in a password is a `$`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from moose_lib.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Later files win; the process environment wins over all of them.
FILES = (".env", ".env.dev", ".env.local")

_ENTRY = re.compile(
    r"""
    ^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*
    (?: "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>[^']*)' | (?P<bare>[^\r\n]*) )
    """,
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


def parse_env(text: str) -> dict[str, str]:
    """Read the text of one file; the last value of a name wins."""
    return {entry["name"]: _value(entry) for entry in _ENTRY.finditer(text)}


def read_env_files(root: Path) -> Mapping[str, tuple[str, str]]:
    """Read the project's files; each name comes with its value and the file it was found in."""
    found: dict[str, tuple[str, str]] = {}
    for name in FILES:
        found.update({key: (value, name) for key, value in parse_env(_text(root / name)).items()})
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} cannot be read: {error}") from error


def _value(entry: re.Match[str]) -> str:
    if entry["double"] is not None:
        return _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), entry["double"])
    if entry["single"] is not None:
        return entry["single"]
    return re.sub(r"(^|\s+)#.*$", "", entry["bare"]).strip()
