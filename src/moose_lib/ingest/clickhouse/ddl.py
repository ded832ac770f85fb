"""ClickHouse tables as statements, and what a table that is there has otherwise than declared."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from moose_lib.dmv2.olap import OlapConfig
from moose_lib.ingest.clickhouse.types import OWN_TYPES, as_nullable, bare, column_types, is_nullable, kind_type
from moose_lib.ingest.columns import Kind
from moose_lib.plan.endpoints import TablePlan

#: Tokens that a table remembers, so that a batch that is sent again is not kept twice. Plain MergeTree remembers none
#: unless it is told to.
WINDOW: Final = "non_replicated_deduplication_window"
_TOKENS: Final = "1000"
_CLAUSES: Final = re.compile(r" (?:PARTITION BY|PRIMARY KEY|ORDER BY|SAMPLE BY|TTL|SETTINGS|COMMENT) ")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a table is."""

    database: str
    table: str
    cluster: str | None = None

    def __str__(self) -> str:
        """As SQL takes it."""
        return f"{quoted(self.database)}.{quoted(self.table)}"

    @property
    def on_cluster(self) -> str:
        """The clause of statements that are for all servers."""
        return "" if self.cluster is None else f" ON CLUSTER {quoted(self.cluster)}"


@dataclass(frozen=True, kw_only=True)
class FoundTable:
    """A table as the server describes it, in `system.tables` and `system.columns`; `columns` are those to write."""

    columns: Mapping[str, str]
    engine: str
    engine_full: str
    sorting_key: str
    partition_key: str
    primary_key: str
    sampling_key: str


@dataclass(frozen=True, kw_only=True)
class WantedTable:
    """A table as it is declared; `gone` are the store's columns of fields that the model has no more."""

    place: Place
    columns: Mapping[str, str]
    config: OlapConfig
    gone: Mapping[str, str]

    @property
    def is_ours(self) -> bool:
        """It is made and changed by us."""
        return self.config.life_cycle != "EXTERNALLY_MANAGED"

    @property
    def engine(self) -> str:
        """The declared one."""
        return self.config.engine or "MergeTree"

    @property
    def order(self) -> str:
        """The expression by which rows are sorted."""
        if self.config.order_by_expression is not None:
            return self.config.order_by_expression
        fields = ", ".join(map(quoted, self.config.order_by_fields))
        return f"({fields})" if fields else "tuple()"


def wanted_table(plan: TablePlan, database: str, stored: Mapping[str, Kind]) -> WantedTable:
    """The table of a model; `stored` are its columns in the store, of now and of before."""
    columns = column_types(plan.model)
    return WantedTable(
        place=Place(database=plan.config.database or database, table=plan.name, cluster=plan.config.cluster),
        columns=columns | OWN_TYPES,
        config=plan.config,
        gone={name: kind_type(kind) for name, kind in stored.items() if name not in columns},
    )


def quoted(name: str) -> str:
    """A name as ClickHouse takes it."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def create_statement(wanted: WantedTable) -> str:
    """The statement that makes a table."""
    config = wanted.config
    columns = {**wanted.columns, **wanted.gone}
    fields = ",\n".join(f"    {quoted(name)} {type_name}" for name, type_name in columns.items())
    lines = [
        f"CREATE TABLE IF NOT EXISTS {wanted.place}{wanted.place.on_cluster}\n(\n{fields}\n)",
        f"ENGINE = {wanted.engine}",
        *_clause("PARTITION BY", config.partition_by),
        *_clause("PRIMARY KEY", config.primary_key_expression),
        f"ORDER BY {wanted.order}",
        *_clause("SAMPLE BY", config.sample_by_expression),
        *_clause("TTL", config.ttl),
    ]
    settings = _settings(wanted)
    if settings:
        lines.append(f"SETTINGS {', '.join(f'{name} = {value}' for name, value in settings.items())}")
    return "\n".join(lines)


def additions(wanted: WantedTable, found: FoundTable) -> list[tuple[str, str]]:
    """What a table lacks, in a sentence each, and the statements that add it."""
    if not wanted.is_ours:
        return []
    at = f"ALTER TABLE {wanted.place}{wanted.place.on_cluster}"
    done = [
        (f"table {wanted.place.table}: column {name} will be added", f"{at} ADD COLUMN IF NOT EXISTS {definition}")
        for name, definition in _missing(wanted, found)
    ]
    if found.engine.endswith("MergeTree") and not _is_shared(found.engine) and WINDOW not in found.engine_full:
        sentence = f"table {wanted.place.table}: it will remember the last {_TOKENS} batches"
        done.append((sentence, f"{at} MODIFY SETTING {WINDOW} = {_TOKENS}"))
    return done


def differences(wanted: WantedTable, found: FoundTable, formatted: Callable[[str], str]) -> list[str]:
    """What a table has that only somebody can decide to change.

    `formatted` writes an expression as the server does, to compare it with the server's own.
    """
    if not wanted.is_ours:
        missing = [name for name in wanted.columns if name not in found.columns and name not in OWN_TYPES]
        return [f"column {name} is not there" for name in missing]
    told = [
        f"column {name} is {found.columns[name]}, wants {type_name}"
        for name, type_name in wanted.columns.items()
        if name in found.columns and not _goes_into(type_name, found.columns[name])
    ]
    if not _is_engine(wanted.engine, found):
        told.append(f"engine is {_engine_of(found)}, wants {wanted.engine}")
    for what, now, then in _keys(wanted, found):
        if then is not None and _squeezed(then) != _squeezed(now) and _squeezed(formatted(then)) != _squeezed(now):
            told.append(f"{what} is {now or 'nothing'}, wants {then}")
    return told


def repair_statements(wanted: WantedTable, found: FoundTable) -> list[str]:
    """The statements that somebody may run to give columns the types of now."""
    at = f"ALTER TABLE {wanted.place}{wanted.place.on_cluster}"
    return [
        f"{at} MODIFY COLUMN {quoted(name)} {type_name}"
        for name, type_name in wanted.columns.items()
        if name in found.columns and not _goes_into(type_name, found.columns[name])
    ]


def _missing(wanted: WantedTable, found: FoundTable) -> list[tuple[str, str]]:
    """Columns that are not there, with their definitions: NULL in the rows of before."""
    return [
        (name, f"{quoted(name)} {type_name if name in OWN_TYPES else as_nullable(type_name)}")
        for name, type_name in {**wanted.columns, **wanted.gone}.items()
        if name not in found.columns
    ]


def _clause(words: str, expression: str | None) -> list[str]:
    return [] if expression is None else [f"{words} {expression}"]


def _settings(wanted: WantedTable) -> dict[str, str]:
    """Those of the declaration over ours, as SQL takes them."""
    ours = {} if _is_shared(wanted.engine) else {WINDOW: _TOKENS}
    names = wanted.config.order_by_fields or ([] if wanted.config.order_by_expression is None else wanted.columns)
    if any(is_nullable(wanted.columns[name]) for name in names):
        ours["allow_nullable_key"] = "1"
    return ours | {name: _literal(value) for name, value in wanted.config.settings.items()}


def _literal(value: str) -> str:
    text = str(value)
    if re.fullmatch(r"-?\d+(\.\d+)?|true|false", text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_shared(engine: str) -> bool:
    """Engines of several servers remember tokens by themselves."""
    return engine.startswith(("Replicated", "Shared"))


def _goes_into(wanted: str, found: str) -> bool:
    """Every value of the wanted type is one of the type that is there."""
    return bare(wanted) == bare(found) and (is_nullable(found) or not is_nullable(wanted))


def _is_engine(wanted: str, found: FoundTable) -> bool:
    """Tell whether it is of that family; a server may replicate what was not declared so, with arguments of its own."""
    family = re.compile(r"^(Replicated|Shared)")
    name, _, arguments = wanted.partition("(")
    if family.sub("", name) != family.sub("", found.engine):
        return False
    if _is_shared(found.engine) or _is_shared(name):
        return not _is_shared(name) or _is_shared(found.engine)
    return _squeezed(arguments.removesuffix(")")) == _squeezed(_engine_of(found).partition("(")[2].removesuffix(")"))


def _engine_of(found: FoundTable) -> str:
    return _CLAUSES.split(f"{found.engine_full} ", maxsplit=1)[0].strip()


def _keys(wanted: WantedTable, found: FoundTable) -> Sequence[tuple[str, str, str | None]]:
    """What each key is, and wants to be; `None`: what the server takes by itself."""
    config = wanted.config
    return (
        ("order", found.sorting_key, wanted.order),
        ("partition", found.partition_key, config.partition_by or ""),
        ("primary key", found.primary_key, config.primary_key_expression),
        ("sampling key", found.sampling_key, config.sample_by_expression or ""),
    )


def _squeezed(expression: str) -> str:
    """An expression without what makes no difference: blanks, quotes of names, brackets around all of it."""
    text = re.sub(r"[\s`]", "", expression)
    text = text.removeprefix("tuple") if text.startswith("tuple(") and _is_wrapped(text[5:]) else text
    while _is_wrapped(text):
        text = text[1:-1]
    return text


def _is_wrapped(text: str) -> bool:
    """One pair of brackets is around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for place, mark in enumerate(text):
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth == 0:
            return place == len(text) - 1
    return False
