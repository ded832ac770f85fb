"""What a project declares for ingest, as documents and rows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from moose_lib.errors import MooseError
from moose_lib.ingest.columns import columns_of
from moose_lib.ingest.errors import LossyMigration, StoreNotFound
from moose_lib.ingest.querying import reading, stored_tables
from moose_lib.ingest.schema import pending_changes
from moose_lib.plan.endpoints import Endpoint, TablePlan
from moose_lib.project.loader import LoadedProject

__all__ = ["clickhouse_changes", "endpoint_document", "require_keys", "store_changes", "table_document"]


def table_document(table: TablePlan) -> dict[str, Any]:  # Any: JSON
    """A table as JSON."""
    config = table.config
    return {
        "name": table.name,
        "version": config.version,
        "model": table.model.__name__,
        "order_by_fields": list(config.order_by_fields),
        "partition_by": config.partition_by,
        "engine": config.engine,
        "columns": [{"name": column.name, "kind": column.kind.value} for column in columns_of(table.model)],
        "metadata": config.metadata,
    }


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:  # Any: JSON
    """An endpoint as JSON."""
    return {
        "name": endpoint.name,
        "version": endpoint.version,
        "path": f"/{endpoint.path}",
        "model": endpoint.model.__name__,
        "table": endpoint.table.name,
        "has_dead_letters": endpoint.has_dead_letters,
        "is_open": endpoint.is_open,
        "is_closed": endpoint.is_closed,
        "metadata": endpoint.metadata,
    }


def store_changes(loaded: LoadedProject) -> tuple[list[str], list[LossyMigration]]:
    """What starting the server would change in the store, and what it would refuse; nothing without a store."""
    path: Path = loaded.project.settings.store_path
    changes, losses = list[str](), list[LossyMigration]()
    try:
        with reading(path) as connection:
            for table in loaded.tables.values():
                try:
                    changes += pending_changes(connection, table)
                except LossyMigration as error:
                    losses.append(error)
    except StoreNotFound:
        return [], []
    except MooseError as error:
        return [error.message], []
    return changes, losses


def require_keys(loaded: LoadedProject) -> None:
    """Refuse settings of keys and tokens that the server would refuse; nothing is asked where nothing is served.

    Raises:
        SettingsError: they are wrong, or an endpoint asks for what nobody can have.
    """
    if loaded.endpoints:
        from moose_lib.server.auth import Doorkeeper  # a tenth of a second that only this has to pay

        Doorkeeper(loaded.project.settings, loaded.endpoints)


def clickhouse_changes(loaded: LoadedProject) -> list[str]:
    """What the server would change in ClickHouse, in a sentence each, or that it could not be asked.

    Raises:
        TableRefused: a table there is another one than declared.
        MissingDriver: what speaks to ClickHouse is not installed.
    """
    settings = loaded.project.settings
    if settings.clickhouse is None:
        return []
    from moose_lib.ingest.clickhouse import require_driver

    require_driver(settings)
    from moose_lib.ingest.clickhouse.checking import changes_of  # half a second that only this has to pay

    try:
        with reading(settings.store_path) as connection:
            stored = stored_tables(connection)
    except StoreNotFound:
        stored = {}
    kinds = {name: table.kinds for name, table in stored.items()}
    return asyncio.run(changes_of(settings.clickhouse, list(loaded.tables.values()), kinds))
