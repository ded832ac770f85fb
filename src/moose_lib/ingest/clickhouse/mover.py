"""All tables on their way to ClickHouse while a server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, Self

from moose_lib.errors import MooseError
from moose_lib.ingest.clickhouse.client import ClickHouse
from moose_lib.ingest.clickhouse.moving import Limits, TableMover, Target, Writer
from moose_lib.ingest.moves import waiting
from moose_lib.ingest.querying import reading
from moose_lib.observing.moving import MoveMetrics
from moose_lib.plan.endpoints import Endpoint, TablePlan
from moose_lib.project.clickhouse import ClickHouseSettings

#: What an insert under way has to end before it is given up; it is sent again under its token.
_GRACE_SECONDS: Final = 5.0
#: An answer that takes longer is told; a large insert into a busy server takes a few seconds.
_PATIENCE: Final = timedelta(seconds=10)
#: Batches in memory at a time, each about four times as large as its text.
_BATCHES: Final = 8


class Mover:
    """Moves the rows of all tables from a store to ClickHouse, from `async with` on until its end.

    Nothing of it fails: what goes wrong is told by `troubles`, in the store's file, in the log and by metrics.
    """

    def __init__(
        self,
        settings: ClickHouseSettings,
        store: Writer,
        path: Path,
        tables: Iterable[TablePlan],
        endpoints: Iterable[Endpoint],
        metrics: MoveMetrics,
        *,
        server: Target | None = None,
    ) -> None:
        self._path = path
        self._stop = asyncio.Event()
        self._own = ClickHouse(settings)
        target: Target = self._own if server is None else server
        limits = Limits(
            rows=settings.batch_rows,
            size=settings.batch_size,
            age=settings.batch_age,
            longest_pause=settings.longest_pause,
            patience=_PATIENCE,
            slots=asyncio.Semaphore(_BATCHES),
        )
        by_table = _letters_of(endpoints)
        self._tables = {
            plan.name: TableMover(
                plan,
                settings.db_name,
                path=path,
                store=store,
                server=target,
                limits=limits,
                letters=by_table.get(plan.name, (plan.name, f"{plan.name}DeadLetterQueue")),
                metrics=metrics,
            )
            for plan in tables
        }
        for name in self._tables:
            metrics.watch(name, partial(self._waiting, name))
        self._tasks = list[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(it.run(self._stop)) for it in self._tables.values()]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stop.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._own.close()

    def troubles(self) -> Mapping[str, str]:
        """By table, why its rows wait; those that move are not there."""
        moves = {name: it.move for name, it in self._tables.items()}
        return {name: it.error or it.state for name, it in moves.items() if it is not None and it.state != "moving"}

    def lags(self) -> Mapping[str, float]:
        """By table, the seconds for which the oldest of its rows waits."""
        return {name: self._waiting(name)[1] for name in self._tables}

    def _waiting(self, table: str) -> tuple[int, float]:
        """Rows that wait, and the seconds since the first of them came."""
        move = self._tables[table].move
        try:
            with reading(self._path) as connection:
                found = waiting(connection, table, 0 if move is None else move.position)
        except MooseError:
            return 0, 0.0
        return found.count, found.age.total_seconds()


def _letters_of(endpoints: Iterable[Endpoint]) -> dict[str, tuple[str, str]]:
    """By table, the endpoint and queue for rows that are refused: the first that keeps dead letters, or the first."""
    found = dict[str, tuple[str, str]]()
    for endpoint in sorted(endpoints, key=lambda it: not it.has_dead_letters):
        found.setdefault(endpoint.table.name, (endpoint.key, f"{endpoint.name}DeadLetterQueue"))
    return found
