"""Rules for declared tables and endpoints: each function gives the faults of one value as (code, text, hint)."""

from __future__ import annotations

import re

from moose_lib.dmv2._rules import Finding

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_PATH = re.compile(r"[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*")

#: Names become those of tables, in SQLite and in ClickHouse, with a version behind them.
LONGEST_NAME = 100


def name_findings(name: object) -> list[Finding]:
    """Names become tables and parts of URLs."""
    if not isinstance(name, str) or not name:
        text = "the name is empty" if name == "" else f"the name {name!r} is not a text"
        return [("bad-name", text, None)]
    if len(name) > LONGEST_NAME:
        return [
            ("bad-name", f"the name has {len(name)} characters, the limit is {LONGEST_NAME}", "choose a shorter one")
        ]
    if _NAME.fullmatch(name) is None:
        hint = "begin with a letter, and use letters, digits and '_'"
        return [("bad-name", "the name has characters that tables and URLs do not take", hint)]
    return []


def version_findings(version: object) -> list[Finding]:
    """A version is unset, or numbers with dots."""
    if version is None or (isinstance(version, str) and _VERSION.fullmatch(version) is not None):
        return []
    return [("bad-version", f"version {version!r} is not like '1' or '1.2'", None)]


def path_findings(path: object) -> list[Finding]:
    """A path is unset, or plain segments."""
    if path is None or (isinstance(path, str) and _PATH.fullmatch(path.strip("/")) is not None):
        return []
    return [
        ("bad-path", f"path {path!r} is not segments of letters, digits, '_', '.', '~' and '-'", 'as "shop/clicks"')
    ]
