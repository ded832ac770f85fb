"""The default store: one SQLite file, one connection that writes, in a thread of its own.

Commits are grouped: whatever waits when the writer is free goes into one transaction, so that its price is shared.
Each batch has a savepoint; one that fails takes no other with it. With `synchronous=FULL`, what was answered survives a
power cut. Only this connection writes and checkpoints; readers of the file never do (SQLite's WAL-reset bug before
3.51.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from moose_lib.errors import MooseError
from moose_lib.ingest.columns import Cell
from moose_lib.ingest.errors import KeyReused, PlaceTaken, StoreBusy, StoreFailed
from moose_lib.ingest.inserting import Inserter
from moose_lib.ingest.ledger import Ledger, forget_old, write_check
from moose_lib.ingest.letterbox import Letters, keep_letters
from moose_lib.ingest.schema import insert_statement, migrate, stamp
from moose_lib.ingest.store import Batch, Receipt
from moose_lib.plan.endpoints import TablePlan

_logger = logging.getLogger(__name__)

#: Rows of one transaction, and records for the dead letters; more only wait for the next one.
_GROUP_ROWS: Final = 20_000
_PURGE_EVERY: Final = timedelta(hours=1)
_RETRY_AFTER: Final = timedelta(seconds=1)
_BUSY_SECONDS: Final = 10.0
#: What SQLite and its module raise for rows that they do not take.
_BAD_ROWS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, OverflowError)
#: Statements that stay prepared; one table may have a few dozen.
_STATEMENTS: Final = 256


@dataclass(slots=True)
class _Order:
    """A batch on its way, and who waits for its receipt; with no table it only asks whether commits work."""

    batch: Batch
    loop: asyncio.AbstractEventLoop
    receipt: asyncio.Future[Receipt]


@dataclass(frozen=True, kw_only=True)
class _Errand(Batch):
    """Work for the connection that writes, in place of rows."""

    work: Callable[[sqlite3.Connection], object]


class SqliteStore:
    """Records in a SQLite file. Use it as a context manager; closing it writes what still waits.

    Raises:
        LossyMigration: a declared model does not go with what its table holds.
        StoreFailed: the file cannot be opened.
    """

    def __init__(self, path: Path, tables: Iterable[TablePlan], *, limit: int = 64 * 1024 * 1024) -> None:
        """`limit`: bytes of batches that may wait in memory; past it, batches are refused."""
        self._path = path
        self._tables = tuple(tables)
        self._limit = limit
        self._waiting = 0
        self._since: dict[int, float] = {}
        self._lock = threading.Lock()
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._inserters = {table.name: Inserter(insert_statement(table)) for table in self._tables}
        self._purged = datetime.min.replace(tzinfo=UTC)
        self._thread = threading.Thread(target=self._work, name="moose-store", daemon=True)
        self._connection = _open(path)
        #: What was made or changed for the models of now.
        self.migrated: Sequence[str] = ()

    def __enter__(self) -> Self:
        try:
            self.migrated = migrate(self._connection, self._tables)
        except sqlite3.Error as error:
            self._connection.close()
            raise StoreFailed(f"{self._path} cannot be used: {error}") from error
        except MooseError:
            self._connection.close()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.put(None)
        self._thread.join()
        self._connection.close()

    @property
    def waiting(self) -> int:
        """Bytes of batches that wait to be written."""
        return self._waiting

    @property
    def lag(self) -> float:
        """Seconds for which the oldest batch waits for its commit."""
        with self._lock:
            oldest = next(iter(self._since.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def check(self) -> None:
        """Write and commit something small.

        Raises:
            StoreFailed, StoreBusy: it is not possible now.
        """
        await self.put(Batch(endpoint="", table="", rows=()))

    async def run(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do something with the connection that writes, as part of a commit; returns when it is committed.

        Raises:
            StoreBusy, StoreFailed: it was not.
        """
        await self.put(_Errand(endpoint="", table="", rows=(), work=work))

    async def put(self, batch: Batch) -> Receipt:
        """Keep a batch, see `Store.put`."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._waiting and self._waiting + batch.size > self._limit:
                raise StoreBusy(_RETRY_AFTER)
            self._waiting += batch.size
            order = _Order(batch, loop, loop.create_future())
            self._since[id(order)] = time.monotonic()
        self._orders.put(order)
        return await order.receipt

    def _work(self) -> None:
        """Write until there is nothing more to come."""
        is_open = True
        while is_open:
            orders, is_open = self._next_group()
            if orders:
                self._write(orders)

    def _next_group(self) -> tuple[list[_Order], bool]:
        """Everything that waits now, at least one order; and whether more may come."""
        order = self._orders.get()
        orders = list[_Order]()
        rows = 0
        while order is not None:
            orders.append(order)
            rows += len(order.batch.rows) + len(order.batch.rejected)
            if rows >= _GROUP_ROWS:
                return orders, True
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return orders, True
        return orders, False

    def _write(self, orders: list[_Order]) -> None:
        try:
            outcomes = self._commit([order.batch for order in orders])
        except Exception as error:  # the boundary of the thread: whatever it is, everybody who waits is told
            with contextlib.suppress(sqlite3.Error):  # there may be no transaction to roll back
                self._connection.execute("ROLLBACK")
            _logger.exception("a commit failed", extra={"path": str(self._path)})
            outcomes = [StoreFailed(f"the store could not commit: {error}") for _ in orders]
        with self._lock:
            self._waiting -= sum(order.batch.size for order in orders)
            for order in orders:
                del self._since[id(order)]
        pairs = zip(orders, outcomes, strict=True)
        for loop, members in groupby(pairs, key=lambda pair: pair[0].loop):
            with contextlib.suppress(RuntimeError):  # whoever waited has gone, with its loop
                loop.call_soon_threadsafe(_settle, [(order.receipt, outcome) for order, outcome in members])

    def _commit(self, batches: Sequence[Batch]) -> Sequence[Receipt | MooseError]:
        now = datetime.now(UTC)
        at = stamp(now)
        receipts = self._commit_alone(batches, at)
        if receipts is not None:
            return receipts
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes = list[Receipt | MooseError]()
        for table, members in groupby(batches, key=_only_rows_of):
            outcomes += self._keep_together(table, list(members), at)
        if now - self._purged > _PURGE_EVERY:
            self._purged = now
            forget_old(self._connection, now)
        self._connection.execute("COMMIT")
        return outcomes

    def _commit_alone(self, batches: Sequence[Batch], at: str) -> Sequence[Receipt] | None:
        """The common case: a few rows of one table are one statement, which is a transaction by itself."""
        table = _only_rows_of(batches[0])
        if table is None or any(_only_rows_of(it) != table for it in batches):
            return None
        rows = batches[0].rows if len(batches) == 1 else [row for it in batches for row in it.rows]
        if not self._inserters[table].is_one_statement(len(rows)):
            return None
        try:
            self._inserters[table].insert(self._connection, rows, at)
        except _BAD_ROWS:
            return None  # nothing of it is kept
        return [_stored(len(it.rows)) for it in batches]

    def _keep_together(self, table: str | None, batches: list[Batch], at: str) -> list[Receipt | MooseError]:
        """Batches that only bring rows of one table are one; should one of them fail, each is kept by itself."""
        if table is not None and len(batches) > 1:
            self._connection.execute("SAVEPOINT together")
            try:
                self._inserters[table].insert(self._connection, [row for it in batches for row in it.rows], at)
            except _BAD_ROWS:
                self._connection.execute("ROLLBACK TO together")
            else:
                return [_stored(len(it.rows)) for it in batches]
            finally:
                self._connection.execute("RELEASE together")
        return [self._keep_or_undo(batch, at) for batch in batches]

    def _keep_or_undo(self, batch: Batch, at: str) -> Receipt | MooseError:
        self._connection.execute("SAVEPOINT batch")
        try:
            receipt = self._keep(batch, at)
        except (KeyReused, PlaceTaken, *_BAD_ROWS) as error:
            self._connection.execute("ROLLBACK TO batch")
            self._connection.execute("RELEASE batch")
            return error if isinstance(error, MooseError) else StoreFailed(f"the store refused the batch: {error}")
        self._connection.execute("RELEASE batch")
        return receipt

    def _keep(self, batch: Batch, at: str) -> Receipt:
        if isinstance(batch, _Errand):
            batch.work(self._connection)
            return Receipt(stored=0, rejected=0)
        if not batch.table:
            write_check(self._connection, at)
            return Receipt(stored=0, rejected=0)
        inserter = self._inserters[batch.table]

        def insert(rows: Sequence[tuple[Cell, ...]]) -> None:
            inserter.insert(self._connection, rows, at)

        def keep() -> Receipt:
            insert(batch.rows)
            if batch.queue is not None and batch.rejected:
                letters = Letters(endpoint=batch.endpoint, queue=batch.queue, records=batch.rejected)
                keep_letters(self._connection, letters, at)
            return Receipt(stored=len(batch.rows), rejected=len(batch.rejected))

        return Ledger(self._connection, at).once(batch, keep, insert)


def _only_rows_of(batch: Batch) -> str | None:
    """The table of a batch that is nothing but rows."""
    return None if batch.rejected or batch.idempotency is not None or not batch.table else batch.table


@lru_cache(maxsize=1024)
def _stored(rows: int) -> Receipt:
    return Receipt(stored=rows, rejected=0)


def _settle(receipts: Sequence[tuple[asyncio.Future[Receipt], Receipt | MooseError]]) -> None:
    for receipt, outcome in receipts:
        if receipt.cancelled():
            continue
        if isinstance(outcome, MooseError):
            receipt.set_exception(outcome)
        else:
            receipt.set_result(outcome)


def _open(path: Path) -> sqlite3.Connection:
    """The connection that writes.

    Raises:
        StoreFailed: the file or its folder cannot be made, or it is not a database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    return connection


def _unusable(path: Path, error: Exception) -> StoreFailed:
    return StoreFailed(f"{path} cannot be opened: {error}", hint="see [store] path in moose.config.toml")
