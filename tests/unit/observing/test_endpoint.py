"""The address of the metrics, as a client sees it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from moose_lib.observing.endpoint import Endpoint, metrics_url
from moose_lib.observing.shared import SharedMetrics


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    registry = CollectorRegistry()
    Counter("shop_orders", "Orders.", registry=registry).inc()
    with Endpoint("127.0.0.1", 0, lambda: registry) as endpoint:
        yield endpoint


def ask(endpoint: Endpoint, method: str, path: str, accept: str = "") -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request(method, path, headers={"Accept": accept})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], text


def test_metrics_are_text_as_prometheus_reads_it(endpoint: Endpoint) -> None:
    status, kind, text = ask(endpoint, "GET", "/metrics?name=all")

    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert "shop_orders_total 1.0\n" in text


def test_openmetrics_is_given_to_those_who_ask(endpoint: Endpoint) -> None:
    _, kind, text = ask(endpoint, "GET", "/metrics", "application/openmetrics-text; version=1.0.0")

    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_other_paths_say_where_metrics_are(endpoint: Endpoint) -> None:
    assert ask(endpoint, "GET", "/")[::2] == (404, "metrics are at /metrics\n")
    assert ask(endpoint, "HEAD", "/metrics")[::2] == (200, "")


def test_a_port_that_is_taken_is_not_shared(endpoint: Endpoint) -> None:
    with pytest.raises(OSError, match="in use") as refused:
        Endpoint("127.0.0.1", endpoint.port, CollectorRegistry)

    assert refused.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:9464/metrics"),
        ("0.0.0.0", "http://localhost:9464/metrics"),
        ("::1", "http://[::1]:9464/metrics"),
        ("10.0.0.7", "http://10.0.0.7:9464/metrics"),
    ],
)
def test_a_url_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert metrics_url(host, 9464) == url


def leave(directory: Path, file: str, name: str, value: float) -> None:
    """What a worker leaves behind."""
    opened: Any = MmapedDict  # Any: theirs has no types
    numbers = opened(str(directory / file))
    numbers.write_value(mmap_key(name, name, [], [], "Help."), value, 0.0)
    numbers.close()


def test_counts_of_the_dead_stay_and_their_gauges_go(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    (directory / "counter_1.db").write_bytes(b"of an earlier session")
    shared = SharedMetrics(directory, lambda: [8])
    for pid in (7, 8):
        leave(directory, f"counter_{pid}.db", "runs_total", 2)
        leave(directory, f"gauge_livesum_{pid}.db", "running", 1)
    registry = shared.registry()

    assert registry.get_sample_value("runs_total") == 4
    assert registry.get_sample_value("running") == 1
