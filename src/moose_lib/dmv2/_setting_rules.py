"""Rules for the values of settings, which are not type-checked: a wrong one is told at load, not when it is used.

Each function gives the faults as (code, text, hint).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, TypeGuard

from moose_lib.dmv2._rules import Finding

_CODE: Final = "bad-config"


def text_findings(config: object, examples: Mapping[str, str]) -> list[Finding]:
    """Each of the settings is unset, or a text that says something; `examples` has one of each."""
    found = list[Finding]()
    for name, example in examples.items():
        value = getattr(config, name)
        if value is not None and not isinstance(value, str):
            found.append((_CODE, f"{name} is {value!r}, which is not a text", f"as {example}"))
        elif value is not None and not value.strip():
            found.append((_CODE, f"{name} is empty", f"leave it out, or write it as {example}"))
    return found


def switch_findings(config: object, names: Iterable[str]) -> list[Finding]:
    """Each is unset, on or off."""
    given = {name: getattr(config, name) for name in names}
    return [
        (_CODE, f"{name} is {value!r}", "write True or False, or leave it out")
        for name, value in given.items()
        if value is not None and not isinstance(value, bool)
    ]


def number_findings(config: object, names: Iterable[str]) -> list[Finding]:
    """Each is a whole number."""
    given = {name: getattr(config, name) for name in names}
    return [
        (_CODE, f"{name} is {value!r}, which is not a whole number", None)
        for name, value in given.items()
        if not isinstance(value, int) or isinstance(value, bool)
    ]


def part_findings(config: object, kinds: Mapping[str, type]) -> list[Finding]:
    """Each is unset, or of its class."""
    given = {name: (getattr(config, name), kind) for name, kind in kinds.items()}
    return [
        (_CODE, f"{name} is {value!r}, which is not of the class {kind.__name__}", None)
        for name, (value, kind) in given.items()
        if value is not None and not isinstance(value, kind)
    ]


def texts_findings(settings: object) -> list[Finding]:
    """ClickHouse's settings are texts by name."""
    example = 'as {"index_granularity": "8192"}'
    if not _is_mapping(settings):
        return [(_CODE, f"settings is {settings!r}, which is not a dict", example)]
    return [
        (_CODE, f"settings has {name!r}: {value!r}, and both have to be texts", example)
        for name, value in settings.items()
        if not isinstance(name, str) or not isinstance(value, str)
    ]


def metadata_findings(metadata: object) -> list[Finding]:
    """They are shown as JSON."""
    if metadata is None:
        return []
    if not _is_mapping(metadata):
        return [(_CODE, f"metadata is {metadata!r}, which is not a dict", 'as {"owner": "shop"}')]
    try:
        json.dumps(dict(metadata))
    except (TypeError, ValueError) as error:
        return [(_CODE, f"metadata cannot be shown as JSON: {error}", "use texts, numbers, lists and dicts")]
    return []


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)
