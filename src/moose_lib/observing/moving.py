"""The metrics of rows on their way to ClickHouse, by table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

__all__ = ["MoveMetrics"]


class MoveMetrics:
    """Counts for one server; without `registry`, apart from all other metrics of this process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no types
        registry = CollectorRegistry() if registry is None else registry
        self._waiting = Gauge(
            "moose_clickhouse_waiting_rows", "Rows that have not moved yet.", ["table"], registry=registry
        )
        self._lag = Gauge(
            "moose_clickhouse_lag_seconds", "How long the oldest of them waits.", ["table"], registry=registry
        )
        self._moved = Counter(
            "moose_clickhouse_moved_rows", "Rows that ClickHouse has taken.", ["table"], registry=registry
        )
        self._refused = Counter(
            "moose_clickhouse_refused_rows", "Rows that went to the dead letters.", ["table"], registry=registry
        )
        self._failures = Counter(
            "moose_clickhouse_failures",
            "Tries that failed: retrying (it passes) or blocked (somebody has to do something).",
            ["table", "kind"],
            registry=registry,
        )

    def watch(self, table: str, waiting: Callable[[], tuple[int, float]]) -> None:
        """Tell the rows that wait, and for how many seconds the oldest does, whenever somebody asks; begin at 0."""
        self._waiting.labels(table).set_function(lambda: waiting()[0])
        self._lag.labels(table).set_function(lambda: waiting()[1])
        self.moved(table, moved=0, refused=0)
        for kind in ("retrying", "blocked"):
            self._failures.labels(table, kind)

    def moved(self, table: str, *, moved: int, refused: int) -> None:
        """Count the rows of a batch."""
        self._moved.labels(table).inc(moved)
        self._refused.labels(table).inc(refused)

    def failed(self, table: str, kind: Literal["retrying", "blocked"]) -> None:
        """Count a try that did not succeed."""
        self._failures.labels(table, kind).inc()
