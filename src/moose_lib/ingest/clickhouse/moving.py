"""The rows of one table on their way to ClickHouse, batch by batch, for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import sqlite3
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

from moose_lib.durations import format_duration
from moose_lib.errors import MooseError
from moose_lib.ingest import moves
from moose_lib.ingest.clickhouse.ddl import FoundTable, Place, wanted_table
from moose_lib.ingest.clickhouse.failures import ClickHouseFailed, Trouble
from moose_lib.ingest.clickhouse.packing import Packed, Packer
from moose_lib.ingest.clickhouse.tables import Server, TableRefused, ensure
from moose_lib.ingest.columns import Kind
from moose_lib.ingest.errors import StoreBusy, StoreFailed
from moose_lib.ingest.letterbox import Letters
from moose_lib.ingest.moves import Move, MoveState, Work
from moose_lib.ingest.querying import reading, stored_tables
from moose_lib.ingest.schema import quoted
from moose_lib.ingest.store import RejectedRecord
from moose_lib.observing.moving import MoveMetrics
from moose_lib.plan.endpoints import TablePlan

_logger = logging.getLogger(__name__)

_FIRST_PAUSE: Final = timedelta(seconds=0.25)
#: By how much batches grow again after rows were refused.
_GROWTH: Final = 4

_T = TypeVar("_T")


class Target(Server, Protocol):
    """A ClickHouse that takes rows."""

    async def insert(self, place: Place, columns: list[str], body: bytes, token: str) -> None:
        """Insert lines of JSON, all or none, and once for a token."""
        ...


class Writer(Protocol):
    """The store: the one that writes to its file."""

    async def run(self, work: Work) -> None:
        """Do something as part of a commit."""
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much moves at a time, how often somebody looks for rows, and the longest pause after a failure.

    `patience` is how long an answer may take until it is told that there is none. `slots` bounds the batches that are
    in memory, of all tables together.
    """

    rows: int
    size: int
    age: timedelta
    longest_pause: timedelta
    patience: timedelta
    slots: asyncio.Semaphore


class TableMover:
    """Moves the rows of one table, in their order; the trouble of one table is no other's."""

    def __init__(
        self,
        plan: TablePlan,
        database: str,
        *,
        path: Path,
        store: Writer,
        server: Target,
        limits: Limits,
        letters: tuple[str, str],
        metrics: MoveMetrics,
    ) -> None:
        """`letters`: the endpoint and the queue to which refused rows belong."""
        self._plan, self._database, self._path = plan, database, path
        self._store, self._server, self._limits = store, server, limits
        self._letters, self._metrics = letters, metrics
        self._place = wanted_table(plan, database, {}).place
        self._packer: Packer | None = None
        self._rows = limits.rows
        self._failures = 0
        self._move: Move | None = None

    @property
    def move(self) -> Move | None:
        """How far it is, once it has begun."""
        return self._move

    async def run(self, stop: asyncio.Event) -> None:
        """Move rows until `stop` is set."""
        while not stop.is_set():
            pause = self._limits.age
            try:
                await self._move_all(stop)
                await self._tell("moving", None, None)
                self._failures = 0
            except Exception as error:  # noqa: BLE001  # the boundary of a table: its rows wait, and those of others move
                pause = await self._failed(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause.total_seconds())

    async def _failed(self, error: Exception) -> timedelta:
        """Tell what went wrong; returns for how long to leave it."""
        self._packer = None
        state, text, hint = _state_of(error)
        self._metrics.failed(self._plan.name, state)
        with suppress(StoreBusy, StoreFailed):  # it is told the next time
            await self._tell(state, text, hint)
        self._failures += 1
        return pause_after(self._failures, self._limits.longest_pause, random.random())  # noqa: S311  # no secret

    async def _move_all(self, stop: asyncio.Event) -> None:
        """Move what waits, batch by batch."""
        if self._packer is None:
            self._packer = await self._prepared()
        while not stop.is_set():
            move = await self._now()
            async with self._limits.slots:
                if not await self._move_batch(self._packer, move):
                    return

    async def _prepared(self) -> Packer:
        """What packs rows for the table as it is; it is made or changed before."""
        await self._store.run(moves.prepare(self._plan.name, f"{self._place.database}.{self._place.table}"))
        await self._now()
        kinds = await self._read(lambda it: stored_tables(it)[self._plan.name].kinds)
        wanted = wanted_table(self._plan, self._database, kinds)

        async def empty_columns() -> frozenset[str]:
            return await self._read(lambda it: _empty_columns(it, self._plan.name, kinds))

        found: FoundTable = await self._answer(ensure(self._server, wanted, empty_columns))
        return Packer(self._plan, kinds, wanted, found)

    async def _move_batch(self, packer: Packer, move: Move) -> bool:
        """Move a batch; tells whether there may be another one."""
        limits = self._limits
        packed = await self._read(
            lambda it: packer.pack(it, move.position, last=move.last, rows=self._rows, size=limits.size)
        )
        if packed is None:
            return False
        token = move.token
        if move.last is None or token is None:
            token = await self._begin(packed.last)
        try:
            if packed.ids:
                await self._answer(self._server.insert(self._place, packer.columns, packed.body, token))
        except ClickHouseFailed as error:
            if error.trouble is not Trouble.ROWS:
                raise
            await self._narrow(packer, packed, error)
        else:
            await self._settle(packed.last, len(packed.ids), packed.unfit)
            self._rows = min(limits.rows, self._rows * _GROWTH)
        return True

    async def _answer(self, request: Coroutine[Any, Any, _T]) -> _T:  # Any: nobody sends it anything
        """Wait for the server's answer; that there is none for long is told while it may still come."""
        patience = self._limits.patience
        asked = asyncio.create_task(request)
        try:
            await asyncio.wait({asked}, timeout=patience.total_seconds())
            if not asked.done():
                with suppress(StoreBusy, StoreFailed):  # what it has to tell is less than the answer
                    text = f"ClickHouse has not answered for more than {format_duration(patience)}"
                    await self._tell("retrying", text, None)
            return await asked
        finally:
            if asked.cancel():
                await asyncio.wait({asked})

    async def _narrow(self, packer: Packer, packed: Packed, error: ClickHouseFailed) -> None:
        """Nothing of a batch was taken, for one of its rows: begin another one that ends before it, or refuse it."""
        count = len(packed.ids)
        if count == 1:
            kind, reason = error.name or "ClickHouseError", error.message
            refused = await self._read(lambda it: packer.refused_row(it, packed.ids[0], kind, reason))
            await self._settle(packed.last, 0, [*packed.unfit, refused])
            return
        self._rows = max(1, min(error.row - 1, count - 1)) if error.row is not None else count // 2
        await self._begin(packed.ids[self._rows - 1])

    async def _begin(self, last: int) -> str:
        token = f"{self._plan.name}-{last}-{secrets.token_hex(8)}"
        await self._store.run(moves.begin(self._plan.name, last, token))
        return token

    async def _settle(self, last: int, moved: int, refused: Sequence[RejectedRecord]) -> None:
        letters = Letters(endpoint=self._letters[0], queue=self._letters[1], records=refused)
        settle, deleted = moves.settle(self._plan.name, last, moved=moved, letters=letters), list[int]()
        forget = moves.forget(self._plan.name, last, deleted)

        def leave(connection: sqlite3.Connection) -> None:
            settle(connection)
            forget(connection)

        await self._store.run(leave)
        self._metrics.moved(self._plan.name, moved=moved, refused=len(refused))
        while deleted[-1] == moves.AT_ONCE:
            await self._store.run(forget)

    async def _tell(self, state: MoveState, error: str | None, hint: str | None) -> None:
        """Write down how it goes, and say it once in the log."""
        before = self._move
        if before is None or (before.state, before.error, before.hint) == (state, error, hint):
            return
        await self._store.run(moves.note(self._plan.name, state, error, hint))
        await self._now()
        if before.state == state:
            return
        if state == "moving":  # whoever saw the warning has to see its end
            _logger.warning("ClickHouse takes the rows of %s again", self._plan.name)
        else:
            more = "" if hint is None else f" ({hint})"
            _logger.warning("the rows of %s wait for ClickHouse: %s%s", self._plan.name, error, more)

    async def _now(self) -> Move:
        move = (await self._read(moves.read_moves))[self._plan.name]
        self._move = move
        return move

    async def _read(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        def ask() -> _T:
            with reading(self._path) as connection:
                return question(connection)

        return await asyncio.to_thread(ask)


def pause_after(failures: int, longest: timedelta, chance: float) -> timedelta:
    """The pause after so many failures in a row: longer and longer, and by `chance` not that of all tables at once."""
    doubled: timedelta = _FIRST_PAUSE * 2 ** min(failures - 1, 20)
    return min(longest, doubled) * (0.5 + chance / 2)


def _state_of(error: Exception) -> tuple[Literal["retrying", "blocked"], str, str | None]:
    """The state after an error, its text and what can be done."""
    if not isinstance(error, MooseError):
        _logger.error("moving rows failed", exc_info=error)
        return "retrying", f"{type(error).__name__}: {error}", None
    is_table = isinstance(error, ClickHouseFailed) and error.trouble is Trouble.TABLE
    return "blocked" if is_table or isinstance(error, TableRefused) else "retrying", error.message, error.hint


def _empty_columns(connection: sqlite3.Connection, table: str, kinds: Mapping[str, Kind]) -> frozenset[str]:
    """Columns without a value in some row."""
    if not kinds:
        return frozenset()
    asked = ", ".join(f"EXISTS(SELECT 1 FROM {quoted(table)} WHERE {quoted(it)} IS NULL)" for it in kinds)  # noqa: S608  # names are quoted
    found = connection.execute(f"SELECT {asked}").fetchone()
    return frozenset(name for name, is_empty in zip(kinds, found, strict=True) if is_empty)
