"""The ledger: which requests with a key were answered how, so that the same one is not stored twice.

What a task sends has a place beside its key: its number among the requests of that task. Other content in a place that
is taken is no new work but the old one told differently, with the time of now, say. It is set aside: kept with the dead
letters, where nothing is lost, and not in the table, where nothing is doubled.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from moose_lib.ingest.errors import KeyReused, PlaceTaken
from moose_lib.ingest.letterbox import SET_ASIDE, Letters, keep_letters
from moose_lib.ingest.schema import stamp
from moose_lib.ingest.store import Batch, Idempotency, Receipt, RejectedRecord

#: So long, a repetition is known as one.
_KEPT: Final = timedelta(days=7)


def earlier_receipt(connection: sqlite3.Connection, batch: Batch, at: str) -> Receipt | None:
    """The receipt of the request that this one repeats; `None` if it is the first of its name.

    Raises:
        KeyReused: its key came with another body.
        PlaceTaken: it has to be set aside, and its endpoint has no dead letters.
    """
    name = batch.idempotency
    if name is None:
        return None
    found = connection.execute(
        "SELECT digest, stored, rejected, set_aside FROM _moose_idempotency WHERE endpoint = ? AND key = ?",
        (batch.endpoint, name.key),
    ).fetchone()
    if found is None:
        return _set_aside(connection, batch, name, at)
    digest, stored, rejected, set_aside = found
    if digest != name.digest:
        raise KeyReused(name.key)
    return Receipt(stored=stored, rejected=rejected, is_repeat=True, set_aside=set_aside)


def write_down(connection: sqlite3.Connection, batch: Batch, receipt: Receipt, at: str) -> None:
    """Remember how a request with a key was answered, and that its place is taken: by the first that was stored."""
    name = batch.idempotency
    if name is None:
        return
    place = None if receipt.is_repeat or not receipt.stored else name.place
    connection.execute(
        "INSERT INTO _moose_idempotency (endpoint, key, digest, stored, rejected, set_aside, place, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (batch.endpoint, name.key, name.digest, receipt.stored, receipt.rejected, receipt.set_aside, place, at),
    )


def write_check(connection: sqlite3.Connection, at: str) -> None:
    """Write something that means nothing, to see whether it can be committed."""
    connection.execute(
        "INSERT OR REPLACE INTO _moose_idempotency (endpoint, key, digest, stored, rejected, at)"
        " VALUES ('', 'check', x'', 0, 0, ?)",
        (at,),
    )


def forget_old(connection: sqlite3.Connection, now: datetime) -> None:
    """Forget what was answered long ago."""
    connection.execute("DELETE FROM _moose_idempotency WHERE at < ?", (stamp(now - _KEPT),))


def _set_aside(connection: sqlite3.Connection, batch: Batch, name: Idempotency, at: str) -> Receipt | None:
    if name.place is None or not batch.rows:
        return None
    found = connection.execute(
        "SELECT stored FROM _moose_idempotency WHERE endpoint = ? AND place = ?", (batch.endpoint, name.place)
    ).fetchone()
    if found is None:
        return None
    if batch.queue is None:
        raise PlaceTaken(name.place)
    message = f"set aside, as an earlier attempt has sent others: {name.place}"
    spare = [RejectedRecord(text=text, error_type=SET_ASIDE, message=message) for text in batch.texts()]
    letters = Letters(endpoint=batch.endpoint, queue=batch.queue, records=[*batch.rejected, *spare])
    keep_letters(connection, letters, at)
    receipt = Receipt(stored=found[0], rejected=len(batch.rejected), is_repeat=True, set_aside=len(spare))
    write_down(connection, batch, receipt, at)
    return receipt
