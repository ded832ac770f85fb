"""`[metrics]` and `[tracing]` of the settings: what a worker tells about its work, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from moose_lib.project.values import Port, ProjectFile, Switch, Text, web_address

__all__ = [
    "DEFAULT_METRICS_PORT",
    "DEFAULT_TRACES",
    "MetricsSettings",
    "TracingSettings",
    "service_name",
    "traces_endpoint",
]

#: Prometheus' own list gives it to OpenTelemetry's exporters.
DEFAULT_METRICS_PORT: Final = 9464
#: Where OTLP collectors listen for HTTP.
DEFAULT_TRACES: Final = "http://localhost:4318"


class MetricsSettings(BaseModel):
    """`[metrics]`: an address from which Prometheus fetches metrics.

    `moose-cli dev` has one unless `enabled = false`; a worker has one if `enabled = true`, or if it has a `port`. On
    `sdk_port` a worker serves what Temporal's SDK counts, too. In `directory` a worker leaves its numbers for another
    process to serve: `moose-cli dev` sets it for its workers, which then serve nothing themselves.
    """

    model_config = ConfigDict(frozen=True)

    enabled: Switch | None = None
    host: Text = "127.0.0.1"
    port: Port | None = None
    sdk_port: Port | None = None
    directory: ProjectFile | None = None

    @property
    def sdk_address(self) -> str | None:
        """Where a worker serves the SDK's metrics."""
        if self.sdk_port is None or self.directory is not None:
            return None
        host = "127.0.0.1" if self.host == "localhost" else self.host
        return f"{f'[{host}]' if ':' in host else host}:{self.sdk_port}"

    @property
    def is_served_by_workers(self) -> bool:
        """A worker serves its own metrics."""
        return self.port is not None if self.enabled is None else self.enabled


class TracingSettings(BaseModel):
    """`[tracing]`: where runs are told as OpenTelemetry traces; unset, as OpenTelemetry's own variables say.

    `endpoint` is that of an OTLP collector: `http://localhost:4318`. `service_name` is the project's name unless set.
    """

    model_config = ConfigDict(frozen=True)

    enabled: Switch | None = None
    endpoint: Annotated[str, BeforeValidator(web_address)] | None = None
    service_name: Text | None = None


def traces_endpoint(tracing: TracingSettings, otel: Mapping[str, str]) -> str | None:
    """Where traces go, `None` for nowhere; `otel` are OpenTelemetry's own variables."""
    exporter = otel.get("OTEL_TRACES_EXPORTER", "").strip()
    is_off = otel.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none"
    if tracing.enabled is False or (is_off and tracing.enabled is None):
        return None
    if tracing.endpoint is not None:
        return tracing.endpoint
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if otel.get(name, "").strip():
            return otel[name].strip()
    return DEFAULT_TRACES if tracing.enabled or exporter == "otlp" else None


def service_name(tracing: TracingSettings, otel: Mapping[str, str], project: str) -> str | None:
    """What traces call the project; `None` where OpenTelemetry's own variables say it."""
    if tracing.service_name is not None:
        return tracing.service_name
    is_named = otel.get("OTEL_SERVICE_NAME") or "service.name=" in otel.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return None if is_named else project
