"""The metrics of the HTTP server. Every label has few values: routes, endpoints, fixed words; never a path or a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from moose_lib.observing.moving import MoveMetrics

__all__ = ["ServerMetrics"]

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)


class ServerMetrics:
    """Counts for one server; without `registry`, apart from all other metrics of this process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no types
        self._registry = registry = CollectorRegistry() if registry is None else registry
        self._requests = Counter(
            "moose_http_requests", "Requests that were answered.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "moose_http_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stored = Counter(
            "moose_ingested_records", "Records that were committed.", ["endpoint"], registry=registry
        )
        self._rejected = Counter(
            "moose_rejected_records", "Records that did not fit their model.", ["endpoint"], registry=registry
        )
        self._bytes = Counter(
            "moose_ingested_bytes", "Bytes of bodies with records, unpacked.", ["endpoint"], registry=registry
        )
        self._gauges = dict[str, Gauge]()
        #: Looking up labels takes longer than counting.
        self._by_endpoint = dict[str, tuple[Counter, Counter, Counter]]()
        self._by_answer = dict[tuple[str, str, int], tuple[Counter, Histogram]]()

    def for_moves(self) -> MoveMetrics:
        """Those of rows on their way to ClickHouse, beside these."""
        return MoveMetrics(self._registry)

    def prepare(self, endpoint: str) -> None:
        """Begin at 0."""
        counters = self._stored.labels(endpoint), self._rejected.labels(endpoint), self._bytes.labels(endpoint)
        self._by_endpoint[endpoint] = counters

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Tell what `value` says whenever somebody asks."""
        gauge = Gauge(name, text, registry=self._registry)
        gauge.set_function(value)
        self._gauges[name] = gauge

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        found = self._by_answer.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._by_answer[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def ingested(self, endpoint: str, *, stored: int, rejected: int, size: int) -> None:
        """Count the records of a request; the endpoint was prepared."""
        counters = self._by_endpoint[endpoint]
        counters[0].inc(stored)
        if rejected:
            counters[1].inc(rejected)
        counters[2].inc(size)

    def exposed(self, accept: str) -> tuple[bytes, str]:
        """All metrics of this process, in the format that suits, with its content type."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind
