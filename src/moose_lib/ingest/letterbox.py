"""Where refused records go in: the one statement that makes dead letters, as part of somebody's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moose_lib.ingest.inserting import Inserter
from moose_lib.ingest.store import RejectedRecord

_STATEMENT: Final = (
    "INSERT INTO _moose_dead_letters (queue, endpoint, record, error_type, error_message, source, failed_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
#: The error type of records that are set aside, see the ledger: good ones, but perhaps not new.
SET_ASIDE: Final = "SetAside"


@dataclass(frozen=True, kw_only=True)
class Letters:
    """Records that were refused, for the dead letters of an endpoint."""

    endpoint: str
    queue: str
    records: Sequence[RejectedRecord]


def keep_letters(connection: sqlite3.Connection, letters: Letters, at: str) -> int:
    """Keep them; `at` is when they were refused, as the store writes moments.

    Returns the id of the last; the others are right before it.
    """
    queue, endpoint = letters.queue, letters.endpoint
    rows = [(queue, endpoint, it.text, it.error_type, it.message, it.source) for it in letters.records]
    Inserter(_STATEMENT).insert(connection, rows, at)
    (last,) = connection.execute("SELECT COALESCE(max(id), 0) FROM _moose_dead_letters").fetchone()
    return int(last)
