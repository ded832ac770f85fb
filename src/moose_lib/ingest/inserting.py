"""Writing many rows with few statements.

The GIL changes hands with every step of a statement, and while the event loop is busy each time may take milliseconds:
a row per statement makes the writer wait most of its time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import Final

from moose_lib.ingest.columns import Cell
from moose_lib.ingest.schema import insert_statement
from moose_lib.plan.endpoints import TablePlan

#: Up to this, any number of rows is one statement. More are powers of two, so that few statements have to be prepared.
_FEW: Final = 32
_MOST: Final = 512
#: SQLite's limit for the parameters of one statement, since 3.32.
_MOST_PARAMETERS: Final = 32_766


class Inserter:
    """Writes rows of one table, in their order."""

    def __init__(self, table: TablePlan) -> None:
        self._head, _, marks = insert_statement(table).rpartition(" VALUES ")
        self._width = marks.count("?") - 1
        self._most = min(_MOST, (_MOST_PARAMETERS - 1) // max(1, self._width))
        self._statements = dict[int, str]()

    def is_one_statement(self, rows: int) -> bool:
        """So many rows are written all or none, without a transaction around."""
        return 0 < rows <= min(_FEW, self._most)

    def insert(self, connection: sqlite3.Connection, rows: Sequence[tuple[Cell, ...]], at: str) -> None:
        """Write them; `at` is when they came."""
        begin = 0
        for size in self._sizes(len(rows)):
            cells = [at, *chain.from_iterable(rows[begin : begin + size])]
            connection.execute(self._statement(size), cells)
            begin += size

    def _sizes(self, rows: int) -> Iterator[int]:
        while rows > min(_FEW, self._most):
            size = min(1 << rows.bit_length() - 1, self._most)
            yield size
            rows -= size
        if rows:
            yield rows

    def _statement(self, rows: int) -> str:
        """For so many rows; the first parameter is the moment, which all of them share."""
        found = self._statements.get(rows)
        if found is None:
            numbers = count(2)
            marks = ", ".join(f"({''.join(f'?{next(numbers)}, ' for _ in range(self._width))}?1)" for _ in range(rows))
            found = self._statements[rows] = f"{self._head} VALUES {marks}"
        return found
