"""Writing many rows with few statements.

The GIL changes hands with every step of a statement, and while the event loop is busy each time may take milliseconds:
a row per statement makes the writer wait most of its time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Final

from moose_lib.ingest.columns import Cell
from moose_lib.ingest.schema import insert_statement
from moose_lib.plan.endpoints import TablePlan

#: Rows of one statement; few sizes, so that the statements stay prepared.
_SIZES: Final = (256, 64, 16, 4, 1)
#: SQLite's limit for the parameters of one statement, since 3.32.
_MOST_PARAMETERS: Final = 32_766


class Inserter:
    """Writes rows of one table, in their order."""

    def __init__(self, table: TablePlan) -> None:
        head, _, marks = insert_statement(table).rpartition(" VALUES ")
        width = marks.count("?")
        sizes = [size for size in _SIZES if size * width <= _MOST_PARAMETERS]
        self._statements = [(size, f"{head} VALUES {', '.join([marks] * size)}") for size in sizes]

    def insert(self, connection: sqlite3.Connection, rows: Sequence[tuple[Cell, ...]], at: str) -> None:
        """Write them; `at` is when they came."""
        begin, moment = 0, (at,)
        for size, statement in self._statements:
            while len(rows) - begin >= size:
                part = rows[begin : begin + size]
                connection.execute(statement, list(chain.from_iterable(chain(row, moment) for row in part)))
                begin += size
