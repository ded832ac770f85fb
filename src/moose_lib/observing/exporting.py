"""Where spans go: to an OTLP collector, in batches and in a thread of their own."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from moose_lib.errors import SettingsError
from moose_lib.observing.tracing import DerivedIds, Tracing

__all__ = ["Exporting"]

_logger = logging.getLogger(__name__)

_GRPC: Final = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
_HTTP: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_PATH: Final = "/v1/traces"
#: The loggers of the exporters.
_EXPORTERS: Final = (_HTTP, "opentelemetry.exporter.otlp.proto.grpc.exporter")
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ([^\")\n]+)")
#: What it says after it has said why.
_NO_REASON: Final = "Failed to export spans batch due to timeout"
#: Spans that may wait to be exported; what is over is dropped, and a line of the log says so.
_QUEUED_SPANS: Final = 16 * 1024
_CLOSE_SECONDS: Final = 3.0


class _Reporting(SpanExporter):
    """Says once that spans do not arrive and why, and once that they do again; exporters say it many times."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._reason = "no answer"
        self._lost: int | None = None
        for name in _EXPORTERS:
            logging.getLogger(name).addFilter(self._take_reason)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export, and tell if it goes otherwise than before."""
        outcome = self._exporter.export(spans)
        if outcome is not SpanExportResult.SUCCESS:
            if self._lost is None:
                _logger.warning("traces do not reach %s: %s", self._endpoint, self._reason)
            self._lost = (self._lost or 0) + len(spans)
        elif self._lost is not None:
            _logger.warning("traces reach %s again; %d spans were lost", self._endpoint, self._lost)
            self._lost = None
        return outcome

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()
        for name in _EXPORTERS:
            logging.getLogger(name).removeFilter(self._take_reason)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)

    def _take_reason(self, record: logging.LogRecord) -> bool:
        """Swallow the exporter's word, and remember what it says of the reason."""
        text = record.getMessage()
        known = _ERRNO.search(text)
        if known is not None:
            self._reason = known[1].lower()
        elif not text.startswith(_NO_REASON):
            self._reason = text
        return False


class Exporting:
    """A tracer provider of ours; the process's own one too, unless users' code has set another.

    `endpoint` is a collector's address; `None`: OpenTelemetry's own variables say all. `otel` are these. In messages
    the collector is called `shown`.

    Raises:
        SettingsError: the exporter for the protocol they ask for is not installed.
    """

    def __init__(
        self, *, endpoint: str | None, shown: str, resource: Mapping[str, str], otel: Mapping[str, str]
    ) -> None:
        derived = DerivedIds()
        self._provider = TracerProvider(
            resource=Resource.create(resource), id_generator=derived, shutdown_on_exit=False
        )
        exporter = _Reporting(_exporter(endpoint, otel), shown)
        size = None if "OTEL_BSP_MAX_QUEUE_SIZE" in otel else _QUEUED_SPANS
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=size))
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
