"""The project's settings, read once at the edge and frozen: flags > `MOOSE_*` > `moose.config.toml` > defaults.

What nobody set stays `None` where Temporal's own settings (`TEMPORAL_*`, `temporal.toml`) may fill it. This is the only
module that reads the process environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from moose_lib.errors import SettingsError
from moose_lib.project import layers
from moose_lib.project.clickhouse import ClickHouseSettings
from moose_lib.project.env_files import read_env_files
from moose_lib.project.layers import Found, Layer, Names
from moose_lib.project.observing import MetricsSettings, TracingSettings, traces_endpoint
from moose_lib.project.running import STATE_DIRECTORY
from moose_lib.project.serving import AuthSettings, IngestSettings, JwtSettings, ServerSettings, StoreSettings
from moose_lib.project.stores import ValuesSettings
from moose_lib.project.values import Count, Duration, LogFormat, LogLevel, Port, ProjectFile, Secret, Size, Text

_SECRETS = frozenset({"api_key", "admin_api_key", "ingest_api_key", "password", "secret", "token"})
_OPTIONAL_TEXTS = frozenset(
    {
        "namespace",
        "address",
        "temporal_host",
        "temporal_scheme",
        "temporal_region",
        "client_cert",
        "client_key",
        "ca_cert",
        "api_key",
        "directory",
        "url",
        "endpoint_url",
        "region",
        "endpoint",
        "service_name",
        "path_prefix",
        "path",
        "tls_cert",
        "tls_key",
        "token",
        "issuer",
        "audience",
    }
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class TemporalSettings(_Section):
    """`[temporal_config]`: where Temporal is and how to talk to it; `None` where nobody said."""

    namespace: Text | None = None
    host: Annotated[Text | None, Field(alias="temporal_host")] = None
    port: Annotated[Port | None, Field(alias="temporal_port")] = None
    scheme: Annotated[Literal["http", "https"] | None, Field(alias="temporal_scheme")] = None
    region: Annotated[Text | None, Field(alias="temporal_region")] = None
    ui_port: Port = 8080
    client_cert: ProjectFile | None = None
    client_key: ProjectFile | None = None
    ca_cert: ProjectFile | None = None
    api_key: Secret | None = None
    task_queue: Text = "moose"

    @property
    def address(self) -> str | None:
        """`host:port`, or `None` if neither is set; an API key with a region alone means Temporal Cloud's endpoint."""
        if self.host is None and self.port is None and self._cloud_host is None:
            return None
        host = self.host or self._cloud_host or "127.0.0.1"
        return f"{f'[{host}]' if ':' in host else host}:{self.port or 7233}"

    @property
    def tls(self) -> bool | None:
        """Whether to use TLS: the scheme says; else certificates or another machine mean yes; `None` if unknown."""
        if self.scheme is not None:
            return self.scheme == "https"
        if self.client_cert is not None or self.client_key is not None or self.ca_cert is not None:
            return True
        host = self.host or self._cloud_host
        if host is None:
            return None if self.port is None else False
        return not is_loopback(host)

    @property
    def _cloud_host(self) -> str | None:
        if self.api_key is None or self.region is None or self.host is not None:
            return None
        cloud = "aws" if self.region[:-1].endswith("-") else "gcp"
        return f"{self.region}.{cloud}.api.temporal.io"


class WorkerSettings(_Section):
    """`[worker]`: `grace_period` is how long running tasks may go on after the worker was told to stop.

    `schedules` says what a worker does at its start: "update" adds and changes those that are declared, "sync" removes
    this project's others too, "off" leaves all of that to `moose-cli deploy`.
    """

    grace_period: Duration = timedelta(seconds=30)
    schedules: Literal["update", "sync", "off"] = "update"


class DevSettings(_Section):
    """`[dev]`: the development session.

    `temporal` "external" works against the Temporal of `[temporal_config]` instead of starting one. `durability` "full"
    lets the embedded Temporal survive a power cut, "normal" any crash of a process. `stop_grace_period` is how long
    Ctrl-C waits for running tasks; the runs go on at the next start.
    """

    temporal: Literal["embedded", "external"] = "embedded"
    durability: Literal["normal", "full"] = "normal"
    stop_grace_period: Duration = timedelta(seconds=5)


class LoggerSettings(_Section):
    """`[logger]`: what the worker logs, and how.

    Logs of runs are kept on disk up to `max_size` bytes of the project (0: not at all). An attempt may write `burst`
    lines at once, and then a hundredth of it a second.
    """

    level: LogLevel = "info"
    format: LogFormat = "text"
    max_size: Size = 200_000_000
    burst: Count = 10_000


class Settings(_Section):
    """Everything a project sets, and where each value came from (`sources`, by `section.key`)."""

    root: Path
    language: Literal["python"] = "python"
    source_dir: Text = "app"
    temporal: TemporalSettings = Field(default=TemporalSettings(), alias="temporal_config")
    worker: WorkerSettings = WorkerSettings()
    dev: DevSettings = DevSettings()
    logger: LoggerSettings = LoggerSettings()
    values: ValuesSettings = ValuesSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    server: ServerSettings = Field(default=ServerSettings(), alias="http_server_config")
    store: StoreSettings = StoreSettings()
    ingest: IngestSettings = IngestSettings()
    authentication: AuthSettings = AuthSettings()
    jwt: JwtSettings = JwtSettings()
    clickhouse_config: ClickHouseSettings | None = None
    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)
    #: `TEMPORAL_*` of the process and of the project's `.env` files, for `temporalio.envconfig`.
    temporal_environment: Mapping[str, str] = Field(default_factory=dict, repr=False)
    #: `OTEL_*` likewise, for OpenTelemetry.
    otel_environment: Mapping[str, str] = Field(default_factory=dict, repr=False)
    #: What flags said, as the variables that say the same to a child process.
    flag_environment: Mapping[str, str] = Field(default_factory=dict, repr=False)

    @property
    def ui_port(self) -> int | None:
        """The port of Temporal's UI; `None` if a flag alone says which Temporal, for nobody knows of its UI."""
        is_named = "temporal_config.ui_port" in self.sources
        is_of_flag = layers.variable_of("temporal_config.address") in self.flag_environment
        return self.temporal.ui_port if is_named or not is_of_flag else None

    @property
    def state_directory(self) -> Path:
        """`.moose/` of the project: all that Moose writes there itself."""
        return self.root / STATE_DIRECTORY

    @property
    def values_directory(self) -> Path:
        """Where large values are kept as files."""
        return self.values.directory or self.state_directory / "values"

    @property
    def ingest_url(self) -> str:
        """Where tasks and scripts send records."""
        return self.ingest.url.rstrip("/") if self.ingest.url is not None else self.server.url

    @property
    def store_path(self) -> Path:
        """The file in which the records are."""
        return self.store.path or self.state_directory / "store.db"

    @property
    def clickhouse(self) -> ClickHouseSettings | None:
        """Where records move on to; `None` if they stay in the store."""
        config = self.clickhouse_config
        return config if config is not None and config.enabled else None

    @property
    def traces_endpoint(self) -> str | None:
        """Where traces of runs go; `None` for nowhere."""
        return traces_endpoint(self.tracing, self.otel_environment)


_SECTIONS: Mapping[str, type[BaseModel]] = {
    "temporal_config": TemporalSettings,
    "worker": WorkerSettings,
    "dev": DevSettings,
    "logger": LoggerSettings,
    "values": ValuesSettings,
    "metrics": MetricsSettings,
    "tracing": TracingSettings,
    "http_server_config": ServerSettings,
    "store": StoreSettings,
    "ingest": IngestSettings,
    "authentication": AuthSettings,
    "jwt": JwtSettings,
    "clickhouse_config": ClickHouseSettings,
}
_PORT_KEY: Final = "temporal_config.temporal_port"
_NAMES = Names(
    top=frozenset({"language", "source_dir"}),
    sections={
        name: frozenset(field.alias or key for key, field in section.model_fields.items())
        | (frozenset({"address"}) if section is TemporalSettings else frozenset())
        for name, section in _SECTIONS.items()
    },
)


def load_settings(root: Path, overrides: Mapping[str, object] | None = None) -> Settings:
    """Read the settings of the project in `root`.

    `overrides` are the command line's, by `section.key` of the file (`{"temporal_config.temporal_port": 7300}`); `None`
    values count as not given.

    Raises:
        SettingsError: an unknown key, or values that do not fit; all wrong values are told together.
    """
    root = root.resolve()
    environment = _environment(root)
    flags = layers.flag_layer(overrides or {}, _NAMES)
    found = (layers.toml_layer(root, _NAMES), layers.running_layer(root), layers.environment_layer(environment, _NAMES))
    file, running, variables, said = (layers.split_address(layer) for layer in (*found, flags))
    above = {**variables, **said}
    merged = {**file, **({} if _leads_elsewhere(above, running) else running), **above}
    theirs = {name: found for name, found in environment.items() if name.startswith(("TEMPORAL_", "OTEL_"))}
    return _build(root, merged, theirs, {layers.variable_of(key): str(found.value) for key, found in flags.items()})


def _leads_elsewhere(above: Layer, running: Layer) -> bool:
    """Whether variables or flags name another Temporal than that of the running `dev`, which is on this machine."""
    host, port = above.get("temporal_config.temporal_host"), above.get(_PORT_KEY)
    is_far = host is not None and not is_loopback(str(host.value))
    return is_far or (port is not None and _PORT_KEY in running and str(port.value) != str(running[_PORT_KEY].value))


def process_environment(root: Path) -> dict[str, str]:
    """Return the environment for a process of the project: that of this process over the project's `.env` files."""
    return {name: value for name, (value, _) in read_env_files(root).items()} | dict(os.environ)


def prepare_process(settings: Settings) -> None:
    """Set for this process what the libraries that watch it read from its environment; before they are imported."""
    for name, value in settings.otel_environment.items():
        os.environ.setdefault(name, value)  # from `.env` files
    if settings.metrics.directory is not None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.metrics.directory)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _environment(root: Path) -> dict[str, Found]:
    files = read_env_files(root)
    found = {name: Found(value, f"{name} in {file}") for name, (value, file) in files.items()}
    return found | {name: Found(value, name) for name, value in os.environ.items()}


def _build(root: Path, merged: Layer, theirs: Layer, flag_environment: Mapping[str, str]) -> Settings:
    given = {key: found for key, found in merged.items() if not _is_blank(key, found.value)}
    data: dict[str, object] = {key: found.value for key, found in given.items() if "." not in key}
    for name in _SECTIONS:
        data[name] = {key.partition(".")[2]: found.value for key, found in given.items() if key.startswith(f"{name}.")}
    data["clickhouse_config"] = data["clickhouse_config"] or None  # the section itself means that there is one
    data["root"] = root
    for key, prefix in (("temporal_environment", "TEMPORAL_"), ("otel_environment", "OTEL_")):
        data[key] = {name: found.value for name, found in theirs.items() if name.startswith(prefix)}
    data["flag_environment"] = flag_environment
    data["sources"] = {key: found.source for key, found in [*given.items(), *theirs.items()]}
    try:
        settings = Settings.model_validate(data, context=root)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False), given) from None
    if settings.values.directory is not None and settings.values.url is not None:
        places = [f"{key} (from {given[f'values.{key}'].source})" for key in ("directory", "url")]
        raise SettingsError(f"[values] has two places: {' and '.join(places)}", hint='to unset one: directory = ""')
    return settings


def _is_blank(key: str, value: object) -> bool:
    """Existing projects write `client_cert = ""` for "none"."""
    return value == "" and key.rpartition(".")[2] in _OPTIONAL_TEXTS


def _refusal(errors: Iterable[ErrorDetails], given: Layer) -> SettingsError:
    lines = [_sentence(error, given) for error in errors]
    if len(lines) == 1:
        return SettingsError(lines[0])
    return SettingsError("\n".join([f"{len(lines)} settings are wrong:", *(f"  {line}" for line in lines)]))


def _sentence(error: ErrorDetails, given: Layer) -> str:
    key = ".".join(str(part) for part in error["loc"][:2])
    name = key.rpartition(".")[2]
    value = "…" if name in _SECRETS else repr(error["input"])
    context = error.get("ctx", {})
    reason = str(context["error"]) if "error" in context else f"is not {context.get('expected', error['msg'])}"
    return f"{name} = {value} (from {given[key].source}) {reason}"
