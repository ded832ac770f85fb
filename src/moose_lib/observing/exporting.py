"""Where spans go: to an OTLP collector, in batches and in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from moose_lib.errors import SettingsError
from moose_lib.observing.tracing import DerivedIds, Tracing

__all__ = ["Exporting"]

_GRPC: Final = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
_HTTP: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_PATH: Final = "/v1/traces"
#: Spans that may wait to be exported; what is over is dropped, and a line of the log says so.
_QUEUED_SPANS: Final = 16 * 1024
_CLOSE_SECONDS: Final = 3.0


class Exporting:
    """A tracer provider of ours; the process's own one too, unless users' code has set another.

    `endpoint` is a collector's address; `None`: OpenTelemetry's own variables say all. `otel` are these.

    Raises:
        SettingsError: the exporter for the protocol they ask for is not installed.
    """

    def __init__(self, *, endpoint: str | None, resource: Mapping[str, str], otel: Mapping[str, str]) -> None:
        derived = DerivedIds()
        self._provider = TracerProvider(
            resource=Resource.create(resource), id_generator=derived, shutdown_on_exit=False
        )
        size = None if "OTEL_BSP_MAX_QUEUE_SIZE" in otel else _QUEUED_SPANS
        self._provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint, otel), max_queue_size=size))
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self._provider)
        self.tracing = Tracing(self._provider, derived)

    def close(self) -> None:
        """Export what waits, but do not wait long for a collector that does not answer."""
        closing = threading.Thread(target=self._provider.shutdown, name="moose-traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _exporter(endpoint: str | None, otel: Mapping[str, str]) -> SpanExporter:
    protocol = otel.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or otel.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol == "grpc":
        try:
            module = import_module(_GRPC)
        except ModuleNotFoundError as error:
            raise SettingsError(
                "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and the exporter for it is not installed",
                hint="pip install opentelemetry-exporter-otlp-proto-grpc",
            ) from error
    else:
        module = import_module(_HTTP)
        if endpoint is not None and not endpoint.endswith(_PATH):
            endpoint = endpoint.rstrip("/") + _PATH
    make: Any = module.OTLPSpanExporter  # Any: one of two classes, of which one may not be installed
    exporter: SpanExporter = make(endpoint=endpoint)
    return exporter
