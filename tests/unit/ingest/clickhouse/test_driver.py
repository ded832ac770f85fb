"""Settings with a ClickHouse where nothing can speak to it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from moose_lib.ingest.clickhouse import MissingDriver, require_driver
from moose_lib.project.clickhouse import ClickHouseSettings
from moose_lib.project.settings import Settings


def nothing(name: str) -> None:
    """No package is installed."""


def settings(**config: object) -> Settings:
    return Settings(root=Path(), clickhouse_config=ClickHouseSettings.model_validate(config))


def test_a_missing_driver_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", nothing)

    with pytest.raises(MissingDriver) as missing:
        require_driver(settings(host="ch"))

    assert missing.value.message == (
        "[clickhouse_config] names http://ch:18123, and clickhouse-connect is not installed"
    )
    assert missing.value.hint == "pip install 'moose-workflows[clickhouse]', or enabled = false"


def test_who_has_no_clickhouse_needs_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", nothing)

    require_driver(settings(enabled=False))
    require_driver(Settings(root=Path()))
