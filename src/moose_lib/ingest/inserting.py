"""Writing many rows with few statements.

The GIL changes hands with every step of a statement, and while the event loop is busy each time may take milliseconds:
a row per statement makes the writer wait most of its time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Final

from moose_lib.ingest.columns import Cell

#: Up to this, any number of rows is one statement. More are powers of two, so that few statements have to be prepared.
_FEW: Final = 32
_MOST: Final = 512
#: SQLite's limit for the parameters of one statement, since 3.32.
_MOST_PARAMETERS: Final = 32_766


class Inserter:
    """Writes rows of one table, in their order; `statement` adds one, whose last cell is when it came."""

    def __init__(self, statement: str) -> None:
        self._head, _, self._marks = statement.rpartition(" VALUES ")
        self._most = min(_MOST, _MOST_PARAMETERS // self._marks.count("?"))
        self._statements = dict[int, str]()

    def is_one_statement(self, rows: int) -> bool:
        """So many rows are written all or none, without a transaction around."""
        return 0 < rows <= min(_FEW, self._most)

    def insert(self, connection: sqlite3.Connection, rows: Sequence[tuple[Cell, ...]], at: str) -> None:
        """Write them; `at` is when they came."""
        left = chain.from_iterable(zip(rows, repeat((at,)), strict=False))
        for size in self._sizes(len(rows)):
            cells = tuple(chain.from_iterable(islice(left, 2 * size)))
            connection.execute(self._statement(size), cells)

    def _sizes(self, rows: int) -> Iterator[int]:
        while rows > min(_FEW, self._most):
            size = min(1 << rows.bit_length() - 1, self._most)
            yield size
            rows -= size
        if rows:
            yield rows

    def _statement(self, rows: int) -> str:
        """For so many rows.

        Its parameters have no numbers: the first releases of CPython 3.12 take `?1` for a name (gh-117995).
        """
        found = self._statements.get(rows)
        if found is None:
            found = self._statements[rows] = f"{self._head} VALUES {', '.join([self._marks] * rows)}"
        return found
