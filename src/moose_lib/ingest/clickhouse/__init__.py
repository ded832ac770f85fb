"""Rows on their way from the store's file to ClickHouse, and questions to it. Only here is `clickhouse_connect` used.

The modules that import it are imported when they are needed: it takes half a second.
"""

from __future__ import annotations

import importlib.util

from moose_lib.errors import MooseError
from moose_lib.project.settings import Settings

__all__ = ["MissingDriver", "require_driver"]


class MissingDriver(MooseError):
    """The settings name a ClickHouse, and nothing that can speak to it is installed."""

    exit_code = 2


def require_driver(settings: Settings) -> None:
    """Refuse settings with a ClickHouse where its driver is not installed.

    Raises:
        MissingDriver: it is not.
    """
    if settings.clickhouse is not None and importlib.util.find_spec("clickhouse_connect") is None:
        text = f"[clickhouse_config] names {settings.clickhouse.url}, and clickhouse-connect is not installed"
        raise MissingDriver(text, hint="pip install 'moose-workflows[clickhouse]', or enabled = false")
