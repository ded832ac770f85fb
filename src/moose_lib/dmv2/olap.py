"""Tables: where the records of a data model are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, Literal, TypeAlias

from pydantic import BaseModel
from typing_extensions import TypeVar

from moose_lib.dmv2 import _ingest_rules, _registry, _setting_rules
from moose_lib.dmv2._rules import Finding
from moose_lib.dmv2._typed import TypedAlias, alias, data_model
from moose_lib.dmv2.deliveries import IngestResult
from moose_lib.errors import Fault, Location, NonRetryableError

_ENGINE = re.compile(
    r"(Replicated|Shared)?(Replacing|Summing|Aggregating|Collapsing|VersionedCollapsing)?MergeTree(\(.*\))?"
)

#: Settings that are texts, with an example of each.
_TEXTS: Final = {
    "order_by_expression": '"(user_id, created_at)"',
    "partition_by": '"toYYYYMM(created_at)"',
    "sample_by_expression": '"user_id"',
    "primary_key_expression": '"user_id"',
    "engine": '"MergeTree" or "ReplacingMergeTree(updated_at)"',
    "ttl": '"created_at + INTERVAL 90 DAY"',
    "cluster": '"main"',
    "database": '"shop"',
}

K = TypeVar("K")

#: Marks a field as part of a table's key: `order_id: Key[str]`. Without an order, a table is ordered by its key.
Key: TypeAlias = Annotated[K, "key"]


class LifeCycle(StrEnum):
    """Who looks after a table, see `OlapConfig.life_cycle`."""

    FULLY_MANAGED = "FULLY_MANAGED"
    DELETION_PROTECTED = "DELETION_PROTECTED"
    EXTERNALLY_MANAGED = "EXTERNALLY_MANAGED"


#: A life cycle or its name.
AnyLifeCycle: TypeAlias = LifeCycle | Literal["FULLY_MANAGED", "DELETION_PROTECTED", "EXTERNALLY_MANAGED"]

M = TypeVar("M", bound=BaseModel, default=Any)


@dataclass(frozen=True)
class OlapConfig:
    """How a table keeps its rows.

    The default store, SQLite, uses `order_by_fields` (an index) and `version`; ClickHouse uses all of it.

    Attributes:
        order_by_fields: fields by which rows are sorted, the most selective last; ClickHouse's primary key. Without any
            order: the fields of the model that are a `Key`, in their order.
        order_by_expression: the same as an SQL expression, instead of fields.
        partition_by: SQL expression, as "toYYYYMM(created_at)".
        sample_by_expression: SQL expression for ClickHouse's SAMPLE BY.
        primary_key_expression: SQL expression, where the primary key is not the order.
        engine: a MergeTree engine, as "ReplacingMergeTree(updated_at)"; unset: "MergeTree".
        version: "1.2" makes a table `Name_1_2` of its own.
        ttl: SQL expression after which rows go, as "created_at + INTERVAL 90 DAY".
        cluster: ClickHouse cluster on which the table is made.
        database: ClickHouse database, if not the configured one.
        settings: ClickHouse settings of the table.
        metadata: anything; shown by `moose-cli ls --json`.
        life_cycle: "FULLY_MANAGED": made and migrated; "DELETION_PROTECTED": the same, as nothing is ever dropped;
            "EXTERNALLY_MANAGED": ClickHouse's table is neither made nor changed. Unset: "FULLY_MANAGED".
        indexes, projections, seed_filter: not supported, and refused rather than ignored.
    """

    order_by_fields: list[str] = field(default_factory=list[str])
    order_by_expression: str | None = None
    partition_by: str | None = None
    sample_by_expression: str | None = None
    primary_key_expression: str | None = None
    engine: str | None = None
    version: str | None = None
    ttl: str | None = None
    cluster: str | None = None
    database: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    metadata: Mapping[str, Any] | None = None  # Any: JSON
    life_cycle: AnyLifeCycle | None = None
    indexes: list[Any] = field(default_factory=list[Any])  # Any: refused
    projections: list[Any] = field(default_factory=list[Any])  # Any: refused
    seed_filter: Any = None  # Any: refused


@dataclass(frozen=True)
class InsertOptions:
    """What happens to records that do not fit their model.

    Attributes:
        strategy: "fail-fast": with one of them nothing is sent; "discard": they are left out, and counted as
            `rejected`; "isolate": the server keeps them with the dead letters, and stores the rest.
        allow_errors: how many may be discarded or isolated at most; with more, nothing is sent. Unset: any number.
        allow_errors_ratio: the same as a part of all records, from 0 to 1; 0.1 allows one in ten.
        validate: False leaves the check before sending out, to save its time; the server checks all the same, so it is
            for "isolate" alone.
        skip_validation_on_retry: fine either way: what is sent again is not checked again.

    Raises:
        NonRetryableError: a value is not one of these, or does not go with another.
    """

    strategy: _ingest_rules.Strategy = "fail-fast"
    allow_errors: int | None = None
    allow_errors_ratio: float | None = None
    validate: bool = True
    skip_validation_on_retry: bool = False

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        if (found := _ingest_rules.insert_fault(vars(self))) is not None:
            raise NonRetryableError(f"InsertOptions: {found[0]}", hint=found[1])


class OlapTable(Generic[M]):
    """A table for the records of one model; `OlapTable[M](name, OlapConfig(…))`.

    Raises:
        InvalidDefinition: the name, the model or a setting is wrong, or the name is taken in this version.

    Example:
        clicks = OlapTable[Click]("Clicks", OlapConfig(order_by_fields=["user_id", "at"]))
    """

    name: str
    config: OlapConfig
    model_type: type[BaseModel] | None
    location: Location

    if not TYPE_CHECKING:

        def __class_getitem__(cls, models: object) -> TypedAlias:
            return alias(cls, models)

    def __init__(self, name: str, config: OlapConfig | None = None, *, t: tuple[object, ...] = ()) -> None:
        self.name = name if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  # users' names are not type-checked
        self.config = config if isinstance(config, OlapConfig) else OlapConfig()
        self.location = _registry.caller_location()
        self.model_type, found = data_model("OlapTable", t)
        self.config = _ordered_by_key(self.config, self.model_type)
        found += _ingest_rules.name_findings(name) + _ingest_rules.table_name_findings(name)
        if config is not None and not isinstance(config, OlapConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            found.append(("bad-config", f"config is {config!r}, which is not an OlapConfig", "write OlapConfig(…)"))
        found += _findings(self.config, self.model_type)
        _registry.register_table(self, [self._fault(*finding) for finding in found])

    @property
    def key(self) -> str:
        """Name and version as the name of a table: `Clicks`, `Clicks_1_2`."""
        return _registry.versioned(self.name, self.config.version)

    def insert(
        self,
        rows: Iterable[M | Mapping[str, Any]],  # Any: checked against the model
        options: InsertOptions | None = None,
    ) -> IngestResult:
        """Check rows, send them to the server through the table's endpoint, and return when they are committed.

        `options` says what happens to those that do not fit: unset, nothing is sent. The same as
        `moose_lib.ingest_sync(table, rows, options=options)`; in `async` code: `await moose_lib.ingest(…)`.

        Raises:
            MooseError: as there.
        """
        # By name: declarations know nothing of what sends, and only this call pays for loading it.
        client = import_module("moose_lib.ingest.client")
        result: IngestResult = client.ingest_sync(self, rows, options=options)
        return result

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        return Fault(code=code, message=f"table {self.name!r}: {text}", hint=hint, location=self.location)


def _ordered_by_key(config: OlapConfig, model: type[BaseModel] | None) -> OlapConfig:
    if model is None or config.order_by_fields or config.order_by_expression is not None:
        return config
    return replace(config, order_by_fields=[name for name, it in model.model_fields.items() if "key" in it.metadata])


def _findings(config: OlapConfig, model: type[BaseModel] | None) -> list[Finding]:
    """What is wrong with a table's settings."""
    found = _ingest_rules.version_findings(config.version) + _order_findings(config, model)
    found += _ingest_rules.column_findings(() if model is None else model.model_fields)
    found += _setting_rules.text_findings(config, _TEXTS)
    if isinstance(config.engine, str) and config.engine.strip() and _ENGINE.fullmatch(config.engine) is None:
        found.append(
            ("bad-engine", f"engine {config.engine!r} is not of the MergeTree family", f"as {_TEXTS['engine']}")
        )
    found += _setting_rules.texts_findings(config.settings) + _setting_rules.metadata_findings(config.metadata)
    found += life_cycle_findings(config.life_cycle)
    for name in ("indexes", "projections", "seed_filter"):
        if getattr(config, name):
            found.append(("not-supported", f"{name} is not supported", "create it in ClickHouse by hand"))
    return found


def _order_findings(config: OlapConfig, model: type[BaseModel] | None) -> list[Finding]:
    """The order is that of fields which are there, or an expression."""
    fields = config.order_by_fields
    if isinstance(fields, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' values are not type-checked
        return [("bad-order", "order_by_fields is a text, not a list of fields", f"write [{fields!r}]")]
    if not isinstance(fields, list | tuple):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        return [("bad-order", f"order_by_fields is {fields!r}, not a list of fields", None)]
    found = list[Finding]()
    if fields and config.order_by_expression is not None:
        found.append(("bad-order", "has both order_by_fields and order_by_expression", "leave one of them out"))
    known = fields if model is None else list(model.model_fields)
    for name in fields:
        if name not in known:
            found.append(("bad-order", f"order_by_fields has {name!r}, the model has {', '.join(known)}", None))
    return found


def life_cycle_findings(life_cycle: object) -> list[Finding]:
    """It is unset, or one of those that there are."""
    if life_cycle is None or life_cycle in list(LifeCycle):
        return []
    return [("bad-life-cycle", f"life_cycle {life_cycle!r} is none of {', '.join(LifeCycle)}", None)]
