"""What a server says when it is ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.cli.shop import shop

from moose_lib.cli.serving import serving_lines
from moose_lib.project.loader import find_project, load_project
from moose_lib.server.serving import Serving

if TYPE_CHECKING:
    from moose_lib.ingest.sqlite import SqliteStore

__all__ = ["shop"]

NO_STORE = cast("SqliteStore", None)  # it is not asked


def test_what_is_served_is_said_with_its_prefix(shop: Path) -> None:
    (shop / "moose.config.toml").write_text('[http_server_config]\npath_prefix = "/v1/"\nhost = "::1"\n')
    loaded = load_project(find_project(shop))

    lines = serving_lines(loaded, Serving(store=NO_STORE, management_port=5001))

    assert lines[:2] == [
        f"serving http://[::1]:4000/v1, records in {shop}/.moose/store.db",
        "  POST http://[::1]:4000/v1/ingest/Orders",
    ]


@pytest.mark.parametrize("management_port", [5001, None])
def test_what_is_served_is_said(shop: Path, management_port: int | None) -> None:
    """Also that another process has the management port, and where the records go from here."""
    (shop / "moose.config.toml").write_text('[clickhouse_config]\nhost = "localhost"\n')
    loaded = load_project(find_project(shop))

    taken = "note: management port 5001 is taken; /metrics is here as well"
    assert serving_lines(loaded, Serving(store=NO_STORE, management_port=management_port)) == [
        f"serving http://127.0.0.1:4000, records in {shop}/.moose/store.db",
        "  POST http://127.0.0.1:4000/ingest/Orders",
        "  POST http://127.0.0.1:4000/ingest/Orders/1.2",
        "  POST http://127.0.0.1:4000/ingest/Orders/1.10",
        *([taken] if management_port is None else []),
        "  and from there to ClickHouse: http://localhost:18123, database local",
    ]
