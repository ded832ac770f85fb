"""Ingest endpoints: `POST /ingest/<name>` for the records of a data model, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic

from pydantic import BaseModel
from typing_extensions import TypeVar

from moose_lib.dmv2 import _ingest_rules, _registry, _setting_rules
from moose_lib.dmv2._rules import Finding
from moose_lib.dmv2._typed import TypedAlias, alias, data_model
from moose_lib.dmv2.olap import AnyLifeCycle, OlapConfig, OlapTable, life_cycle_findings
from moose_lib.dmv2.streams import DeadLetterQueue, Stream, StreamConfig
from moose_lib.errors import Fault, Location

M = TypeVar("M", bound=BaseModel, default=Any)

_TABLE_HINT: Final = (
    "give it one: IngestConfig(table=…), StreamConfig(destination=…) for that of a stream, table=True in a pipeline"
)


@dataclass(frozen=True)
class IngestConfig:
    """How an endpoint takes records.

    Attributes:
        version: "1.2" makes `/ingest/<name>/1.2`, beside other versions of the name.
        path: another path than `/ingest/<name>`; "ingest/" is put before it if it is not there.
        metadata: anything; shown by `moose-cli ls --json`.
        strict: types as they are in JSON, no "7" for 7; unset: what the model's own configuration says.
        table: where its records go, for an endpoint that no pipeline and no stream gives one.
        dead_letter_queue: where refused records of a batch go; unset: a batch with one is refused as a whole.
        authenticate: True asks for a key or token also where the project does not, and False lets everybody in, also
            where it does; unset: as the project's settings say.
    """

    version: str | None = None
    path: str | None = None
    metadata: Mapping[str, Any] | None = None  # Any: JSON
    strict: bool | None = None
    table: OlapTable[Any] | None = None  # Any: checked when the endpoint is declared
    dead_letter_queue: DeadLetterQueue[Any] | None = None  # Any: as above
    authenticate: bool | None = None


@dataclass(frozen=True)
class IngestConfigWithDestination:
    """How an endpoint takes records, the existing Moose's way: by a stream that leads to a table."""

    destination: Stream[Any]  # Any: checked when the endpoint is declared
    dead_letter_queue: DeadLetterQueue[Any] | None = None  # Any: as above
    version: str | None = None
    path: str | None = None
    metadata: Mapping[str, Any] | None = None  # Any: JSON

    def plain(self) -> IngestConfig:
        """The same with the table in place of the stream."""
        return IngestConfig(
            version=self.version,
            path=self.path,
            metadata=self.metadata,
            table=self.destination.config.destination,
            dead_letter_queue=self.dead_letter_queue or self.destination.config.default_dead_letter_queue,
        )


def _is_stream(given: object) -> bool:
    """What users give is not type-checked."""
    return isinstance(given, Stream)


def _misfit(config: object) -> str:
    if isinstance(config, IngestConfigWithDestination):
        return f"its destination is {type(config.destination).__name__}, which is not a Stream"
    return f"config is {config!r}, which is not an IngestConfig"


class IngestApi(Generic[M]):
    """An endpoint for the records of one model; `IngestApi[M](name, IngestConfig(table=…))`.

    Raises:
        InvalidDefinition: the name, the model or a setting is wrong, the records would go nowhere, or the name is
            taken in this version.

    Example:
        IngestApi[Click]("Clicks", IngestConfig(table=clicks))
    """

    name: str
    config: IngestConfig
    model_type: type[BaseModel] | None
    location: Location

    if not TYPE_CHECKING:

        def __class_getitem__(cls, models: object) -> TypedAlias:
            return alias(cls, models)

    def __init__(
        self, name: str, config: IngestConfig | IngestConfigWithDestination, *, t: tuple[object, ...] = ()
    ) -> None:
        self.name = name if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  # users' names are not type-checked
        self.location = _registry.caller_location()
        self.model_type, found = data_model("IngestApi", t)
        found += _ingest_rules.name_findings(name)
        if isinstance(config, IngestConfigWithDestination) and _is_stream(config.destination):
            config = config.plain()
        if isinstance(config, IngestConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            self.config = config
            found += _ingest_rules.path_findings(config.path) + _ingest_rules.version_findings(config.version)
            found += _setting_findings(config) or _destination_findings(config.table, self.model_type)
        else:
            self.config = IngestConfig()
            found.append(("bad-config", _misfit(config), "write IngestConfig(table=…)"))
        _registry.register_ingest_api(self, [self._fault(*finding) for finding in found])

    @property
    def key(self) -> str:
        """Name and version: `Clicks`, `Clicks_1_2`."""
        return _registry.versioned(self.name, self.config.version)

    @property
    def path(self) -> str:
        """Where it is, without the leading slash: `ingest/Clicks`, `ingest/Clicks/1.2`."""
        path = (self.config.path or self.name).strip("/")
        path = path if path == "ingest" or path.startswith("ingest/") else f"ingest/{path}"
        version = self.config.version
        return path if version is None or path.endswith(f"/{version}") else f"{path}/{version}"

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        return Fault(code=code, message=f"ingest {self.name!r}: {text}", hint=hint, location=self.location)


@dataclass(frozen=True)
class IngestPipelineConfig:
    """What a pipeline is made of: each part `True`, `False`, or with a configuration of its own.

    Attributes:
        table: the records are kept in a table.
        stream: fine either way; the durable queue plays its part.
        ingest_api: there is an endpoint; unset: there is. `ingest` is the older name of the same setting.
        dead_letter_queue: refused records are kept with the reason.
        version, path, metadata, life_cycle: for all parts.
    """

    table: bool | OlapConfig = True
    stream: bool | StreamConfig = True
    ingest_api: bool | IngestConfig | None = None
    dead_letter_queue: bool | StreamConfig = True
    version: str | None = None
    path: str | None = None
    metadata: Mapping[str, Any] | None = None  # Any: JSON
    life_cycle: AnyLifeCycle | None = None
    ingest: bool | IngestConfig | None = None


class IngestPipeline(Generic[M]):
    """An endpoint and a table for one model, in one line; `IngestPipeline[M](name, IngestPipelineConfig())`.

    `table`, `stream`, `ingest_api` and `dead_letter_queue` are its parts, `None` for one that was not asked for.

    Raises:
        InvalidDefinition: as `OlapTable` and `IngestApi` do.

    Example:
        IngestPipeline[Click]("Clicks", IngestPipelineConfig(table=OlapConfig(order_by_fields=["user_id"])))
    """

    table: OlapTable[M] | None = None
    stream: Stream[M] | None = None
    ingest_api: IngestApi[M] | None = None
    dead_letter_queue: DeadLetterQueue[M] | None = None

    if not TYPE_CHECKING:

        def __class_getitem__(cls, models: object) -> TypedAlias:
            return alias(cls, models)

    def __init__(self, name: str, config: IngestPipelineConfig | None = None, *, t: tuple[object, ...] = ()) -> None:
        self.name = name
        self.config = config if isinstance(config, IngestPipelineConfig) else IngestPipelineConfig()
        self.location = _registry.caller_location()
        _, found = data_model("IngestPipeline", t)
        found += _ingest_rules.name_findings(name)
        if config is not None and not isinstance(config, IngestPipelineConfig):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
            text = f"config is {config!r}, which is not an IngestPipelineConfig"
            found.append(("bad-config", text, "write IngestPipelineConfig(…)"))
        found += _ingest_rules.version_findings(self.config.version) + _ingest_rules.path_findings(self.config.path)
        found += _setting_rules.metadata_findings(self.config.metadata) + life_cycle_findings(self.config.life_cycle)
        found += _part_findings(self.config) + _endpoint_findings(self.config) + _table_findings(self.config)
        _registry.report([self._fault(*finding) for finding in found])
        if not found:
            self._declare_parts(t)

    def get_table(self) -> OlapTable[M]:
        """The table.

        Raises:
            ValueError: the pipeline has none.
        """
        if self.table is None:
            raise ValueError(f"pipeline {self.name!r} has no table")
        return self.table

    def get_ingest_api(self) -> IngestApi[M]:
        """The endpoint.

        Raises:
            ValueError: the pipeline has none.
        """
        if self.ingest_api is None:
            raise ValueError(f"pipeline {self.name!r} has no endpoint")
        return self.ingest_api

    def get_stream(self) -> Stream[M]:
        """The stream.

        Raises:
            ValueError: the pipeline has none.
        """
        if self.stream is None:
            raise ValueError(f"pipeline {self.name!r} has no stream")
        return self.stream

    def get_dead_letter_queue(self) -> DeadLetterQueue[M]:
        """The dead letters.

        Raises:
            ValueError: the pipeline has none.
        """
        if self.dead_letter_queue is None:
            raise ValueError(f"pipeline {self.name!r} has no dead letter queue")
        return self.dead_letter_queue

    def _declare_parts(self, models: tuple[object, ...]) -> None:
        parts, common = self.config, self._common()
        if parts.table is not False:
            table = parts.table if isinstance(parts.table, OlapConfig) else OlapConfig()
            self.table = OlapTable(self.name, replace(table, **common), t=models)
        if parts.dead_letter_queue is not False:
            queue = parts.dead_letter_queue if isinstance(parts.dead_letter_queue, StreamConfig) else StreamConfig()
            self.dead_letter_queue = DeadLetterQueue(f"{self.name}DeadLetterQueue", replace(queue, **common), t=models)
        if parts.stream is not False:
            stream = parts.stream if isinstance(parts.stream, StreamConfig) else StreamConfig()
            self.stream = Stream(self.name, replace(stream, destination=self.table, **common), t=models)
        said = (parts.ingest_api, parts.ingest)
        if not any(it is False for it in said):
            given = next((it for it in said if isinstance(it, IngestConfig)), IngestConfig())
            self.ingest_api = IngestApi(self.name, self._endpoint(given), t=models)

    def _common(self) -> dict[str, Any]:  # Any: settings of several types
        """The pipeline's own settings, which hold for all parts."""
        said = {"version": self.config.version, "metadata": self.config.metadata, "life_cycle": self.config.life_cycle}
        return {name: value for name, value in said.items() if value is not None}

    def _endpoint(self, given: IngestConfig) -> IngestConfig:
        return replace(
            given,
            version=given.version if self.config.version is None else self.config.version,
            path=given.path if self.config.path is None else self.config.path,
            metadata=given.metadata if self.config.metadata is None else self.config.metadata,
            table=given.table if self.table is None else self.table,
            dead_letter_queue=given.dead_letter_queue if self.dead_letter_queue is None else self.dead_letter_queue,
        )

    def _fault(self, code: str, text: str, hint: str | None) -> Fault:
        return Fault(code=code, message=f"pipeline {self.name!r}: {text}", hint=hint, location=self.location)


def _setting_findings(config: IngestConfig) -> list[Finding]:
    """The values of an endpoint's settings are of their kinds."""
    found = _setting_rules.switch_findings(config, ("strict", "authenticate"))
    found += _setting_rules.metadata_findings(config.metadata)
    return found + _setting_rules.part_findings(config, {"table": OlapTable, "dead_letter_queue": DeadLetterQueue})


def _part_findings(config: IngestPipelineConfig) -> list[Finding]:
    """A part is there or not, or has a configuration of its kind; users' values are not type-checked."""
    kinds = {"table": OlapConfig, "stream": StreamConfig, "dead_letter_queue": StreamConfig}
    kinds |= {"ingest_api": IngestConfig, "ingest": IngestConfig}
    given = {name: (getattr(config, name), kind) for name, kind in kinds.items()}
    return [
        ("bad-config", f"{name} is {part!r}", f"write True, False or {kind.__name__}(…)")
        for name, (part, kind) in given.items()
        if not isinstance(part, (bool, kind)) and not (part is None and kind is IngestConfig)
    ]


def _endpoint_findings(config: IngestPipelineConfig) -> list[Finding]:
    """Both names of one setting say the same, if both are given; `True` goes with a configuration."""
    one, other = config.ingest_api, config.ingest
    if one is None or other is None:
        return []
    is_half_off = (one is False) is not (other is False)
    are_two = isinstance(one, IngestConfig) and isinstance(other, IngestConfig) and one != other
    if not is_half_off and not are_two:
        return []
    hint = "leave ingest out: it is the older name of ingest_api"
    return [("contradiction", f"ingest_api={_shown(one)} and ingest={_shown(other)} contradict each other", hint)]


def _table_findings(config: IngestPipelineConfig) -> list[Finding]:
    """A pipeline with a table keeps its records there; another place for them would be overlooked."""
    if config.table is False:
        return []
    found = list[Finding]()
    if isinstance(config.stream, StreamConfig) and config.stream.destination is not None:
        text = "stream=StreamConfig(destination=…) names another place for its records than its table"
        found.append(("contradiction", text, "leave destination out, or declare a Stream and an IngestApi"))
    if any(isinstance(it, IngestConfig) and it.table is not None for it in (config.ingest_api, config.ingest)):
        text = "ingest_api=IngestConfig(table=…) names another place for its records than its table"
        found.append(("contradiction", text, "leave one of them out: table=False, or no table in IngestConfig"))
    return found


def _shown(part: bool | IngestConfig) -> str:
    return "IngestConfig(…)" if isinstance(part, IngestConfig) else str(part)


def _destination_findings(table: OlapTable[Any] | None, model: type[BaseModel] | None) -> list[Finding]:
    """Records of an endpoint go to a table that takes them."""
    if table is None:
        return [("no-table", "its records would go nowhere: it has no table", _TABLE_HINT)]
    if model is None or table.model_type is None or issubclass(model, table.model_type):
        return []
    text = f"its records are {model.__name__}, its table {table.name!r} takes {table.model_type.__name__}"
    return [("wrong-table", text, None)]
