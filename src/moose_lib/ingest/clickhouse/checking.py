"""What a server would do to the tables of ClickHouse, asked without doing it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from moose_lib.ingest.clickhouse.client import ClickHouse
from moose_lib.ingest.clickhouse.ddl import wanted_table
from moose_lib.ingest.clickhouse.failures import ClickHouseFailed
from moose_lib.ingest.clickhouse.tables import TableRefused, pending
from moose_lib.ingest.columns import Kind
from moose_lib.plan.endpoints import TablePlan
from moose_lib.project.clickhouse import ClickHouseSettings

_PATIENCE_SECONDS: Final = 5


async def changes_of(
    settings: ClickHouseSettings, tables: Sequence[TablePlan], stored: Mapping[str, Mapping[str, Kind]]
) -> list[str]:
    """What a server would change, in a sentence each; where ClickHouse does not answer, that is told in their place.

    Raises:
        TableRefused: some tables are other ones than declared.
    """
    server = ClickHouse(settings)
    changes, refusals = list[str](), list[TableRefused]()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for table in tables:
                wanted = wanted_table(table, settings.db_name, stored.get(table.name, {}))
                try:
                    changes += await pending(server, wanted)
                except TableRefused as error:
                    refusals.append(error)
    except ClickHouseFailed as error:
        changes.append(f"could not be asked: {error.message}")
    except TimeoutError:
        changes.append(f"could not be asked: no answer within {_PATIENCE_SECONDS} s")
    finally:
        await server.close()
    if refusals:
        raise TableRefused.together(refusals)
    return changes
