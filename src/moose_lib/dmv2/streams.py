"""Streams and dead letters, as far as ingest needs their names.

There is no message broker: records go from the endpoint through a durable queue into their table. So a stream is only a
name between the two, and what would need a broker (transforms, consumers, Kafka) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from typing_extensions import TypeVar

from moose_lib.dmv2 import _ingest_rules, _registry, _setting_rules
from moose_lib.dmv2._rules import Finding
from moose_lib.dmv2._typed import TypedAlias, alias, data_model
from moose_lib.dmv2.olap import AnyLifeCycle, OlapTable, life_cycle_findings
from moose_lib.errors import Fault, Location

M = TypeVar("M", bound=BaseModel, default=Any)

_HINT = "use a workflow: a task that reads the records and one that writes the results"


@dataclass(frozen=True)
class StreamConfig:
    """How a stream goes on.

    Attributes:
        destination: the table its records go to.
        version: "1.2" for one of several versions.
        default_dead_letter_queue: where records go that their table refuses.
        metadata: anything.
        life_cycle: as a table's.
        parallelism, retention_period: have no meaning without a broker and are not used.
        schema_config: not supported, and refused.
    """

    parallelism: int = 1
    retention_period: int = 7 * 24 * 60 * 60
    destination: OlapTable[Any] | None = None  # Any: checked when it is declared
    version: str | None = None
    metadata: Mapping[str, Any] | None = None  # Any: JSON
    life_cycle: AnyLifeCycle | None = None
    default_dead_letter_queue: DeadLetterQueue[Any] | None = None  # Any: as above
    schema_config: Any = None  # Any: refused


class DeadLetterModel(BaseModel):
    """A record that was refused, and why; camelCase in JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    original_record: dict[str, Any]  # Any: JSON
    error_message: str
    error_type: str
    failed_at: datetime
    source: Literal["api", "transform", "table"]


class Stream(Generic[M]):
    """A name between an endpoint and a table; `Stream[M](name, StreamConfig(destination=table))`.

    Raises:
        InvalidDefinition: the name, the model or a setting is wrong, or the name is taken in this version.
    """

    name: str
    config: StreamConfig
    model_type: type[BaseModel] | None
    location: Location

    if not TYPE_CHECKING:

        def __class_getitem__(cls, models: object) -> TypedAlias:
            return alias(cls, models)

    def __init__(self, name: str, config: StreamConfig | None = None, *, t: tuple[object, ...] = ()) -> None:
        self.name = name if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  # users' names are not type-checked
        self.config = config if isinstance(config, StreamConfig) else StreamConfig()
        self.location = _registry.caller_location()
        self.model_type, found = data_model(type(self).__name__, t)
        found += _ingest_rules.name_findings(name)
        if config is not None and not isinstance(config, StreamConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            found.append(("bad-config", f"config is {config!r}, which is not a StreamConfig", "write StreamConfig(…)"))
        found += _findings(self.config)
        _registry.register_stream(self, [self._fault(*finding) for finding in found])

    @property
    def key(self) -> str:
        """Name and version: `Clicks`, `Clicks_1_2`."""
        return _registry.versioned(self.name, self.config.version)

    def add_transform(self, *_: object, **__: object) -> None:
        """Refused: there is no broker between an endpoint and its table."""
        self._refuse("add_transform")

    def add_consumer(self, *_: object, **__: object) -> None:
        """Refused, likewise."""
        self._refuse("add_consumer")

    def set_multi_transform(self, *_: object, **__: object) -> None:
        """Refused, likewise."""
        self._refuse("set_multi_transform")

    def routed(self, *_: object) -> NoReturn:
        """Refused, likewise."""
        self._refuse("routed")
        raise NotImplementedError("routed")

    def send(self, *_: object, **__: object) -> NoReturn:
        """Refused: `moose_lib.ingest` sends records to the endpoint, which keeps them."""
        self._refuse("send", f'write `await moose_lib.ingest("{self.name}", records)`')
        raise NotImplementedError("send")

    def _refuse(self, what: str, hint: str = _HINT) -> None:
        text = f"{what}() is not supported: records go straight from their endpoint into their table"
        location = _registry.caller_location()
        message = f"stream {self.name!r}: {text}"
        _registry.report([Fault(code="not-supported", message=message, hint=hint, location=location)])

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        return Fault(code=code, message=f"stream {self.name!r}: {text}", hint=hint, location=self.location)


def _findings(config: StreamConfig) -> list[Finding]:
    """What is wrong with a stream's settings."""
    found = _ingest_rules.version_findings(config.version) + _setting_rules.metadata_findings(config.metadata)
    found += life_cycle_findings(config.life_cycle)
    found += _setting_rules.number_findings(config, ("parallelism", "retention_period"))
    parts = {"destination": OlapTable, "default_dead_letter_queue": DeadLetterQueue}
    found += _setting_rules.part_findings(config, parts)
    if config.schema_config is not None:
        found.append(("not-supported", "schema_config needs a schema registry, and there is no broker", None))
    return found


class DeadLetterQueue(Stream[M]):
    """Where records of a model go that were refused, each with the reason; `DeadLetterQueue[M](name)`.

    They are rows of a table in the store, see `moose-cli dead-letters`.
    """
