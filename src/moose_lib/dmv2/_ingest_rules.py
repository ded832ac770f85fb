"""Rules for declared tables and endpoints: each function gives the faults of one value as (code, text, hint)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from moose_lib.dmv2._rules import Finding

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_PATH = re.compile(r"[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*")
_PATH_HINT = 'as "shop/clicks"'
_RESERVED = "sqlite_"

#: What happens to records that do not fit, see `InsertOptions`.
Strategy: TypeAlias = Literal["fail-fast", "discard", "isolate"]

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


def table_name_findings(name: object) -> list[Finding]:
    """SQLite keeps names for its own tables."""
    if isinstance(name, str) and name.lower().startswith(_RESERVED):
        return [("bad-name", f"names that begin with {_RESERVED!r} are SQLite's own", "choose another one")]
    return []


def column_findings(names: Iterable[str]) -> list[Finding]:
    """Fields become columns, and SQLite's ignore the case of ASCII letters."""
    found, earlier = list[Finding](), dict[bytes, str]()
    for name in names:
        first = earlier.setdefault(name.encode().lower(), name)  # of bytes, `lower` changes ASCII alone
        if first != name:
            hint = f'rename one of them; in JSON it can keep its name: Field(alias="{name}")'
            found.append(("same-column", f"fields {first!r} and {name!r} differ only in case", hint))
    return found


def version_findings(version: object) -> list[Finding]:
    """A version is unset, or numbers with dots."""
    if version is None or (isinstance(version, str) and _VERSION.fullmatch(version) is not None):
        return []
    return [("bad-version", f"version {version!r} is not like '1' or '1.2'", None)]


def path_findings(path: object) -> list[Finding]:
    """A path is unset, or plain segments; clients resolve "." and ".." before they send."""
    if isinstance(path, str) and not {".", ".."}.isdisjoint(path.split("/")):
        return [("bad-path", f"path {path!r} has a segment '.' or '..', which no request comes with", _PATH_HINT)]
    if path is None or (isinstance(path, str) and _PATH.fullmatch(path.strip("/")) is not None):
        return []
    return [("bad-path", f"path {path!r} is not segments of letters, digits, '_', '.', '~' and '-'", _PATH_HINT)]


def insert_fault(options: Mapping[str, Any]) -> tuple[str, str | None] | None:  # Any: users' values
    """What is wrong with `InsertOptions`, as (text, hint)."""
    strategy, most, ratio = options["strategy"], options["allow_errors"], options["allow_errors_ratio"]
    if strategy not in get_args(Strategy):
        return f"strategy {strategy!r} is none of {', '.join(get_args(Strategy))}", None
    if most is not None and not (isinstance(most, int) and not isinstance(most, bool) and most >= 0):
        return f"allow_errors {most!r} is no number of records", "as 10, or leave it out for any number"
    if ratio is not None and not (isinstance(ratio, int | float) and not isinstance(ratio, bool) and 0 <= ratio <= 1):
        return f"allow_errors_ratio {ratio!r} is not between 0 and 1", "0.1 allows one record in ten"
    for name in ("validate", "skip_validation_on_retry"):
        if not isinstance(options[name], bool):
            return f"{name} {options[name]!r} is neither True nor False", None
    limits = [name for name in ("allow_errors", "allow_errors_ratio") if options[name] is not None]
    if limits and strategy == "fail-fast":
        return f"{limits[0]} allows nothing with the strategy 'fail-fast'", 'strategy="discard", or "isolate"'
    if limits and not options["validate"]:
        return f"{limits[0]} cannot be kept to without validate", "the server checks each request for itself"
    if not options["validate"] and strategy != "isolate":
        hint = 'strategy="isolate": the server keeps what does not fit with the dead letters'
        return f"the strategy {strategy!r} needs validate", hint
    return None
