"""The ledger: which requests with a key were answered how, so that the same one is not stored twice.

What a task sends has a place beside its key: its number among the requests of that task. Other content in a place that
is taken is no new work but the old one told differently, with the time of now, say. It is set aside: kept with the dead
letters, where nothing is lost, and not in the table, where nothing is doubled.

Unless the attempt that sends it also sends what has the place. Then neither is the other told differently: the task
does the same in another order. It is stored, also if it was set aside before that came to light.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from moose_lib.ingest.columns import Cell
from moose_lib.ingest.errors import KeyReused, PlaceTaken
from moose_lib.ingest.letterbox import SET_ASIDE, Letters, keep_letters
from moose_lib.ingest.schema import stamp
from moose_lib.ingest.store import Batch, Idempotency, Receipt, RejectedRecord

#: So long, a repetition is known as one.
_KEPT: Final = timedelta(days=7)

Insert = Callable[[Sequence[tuple[Cell, ...]]], None]


class Ledger:
    """The ledger as one transaction uses it; `at` is its moment, as the store writes moments."""

    def __init__(self, connection: sqlite3.Connection, at: str) -> None:
        self._connection = connection
        self._at = at

    def once(self, batch: Batch, keep: Callable[[], Receipt], insert: Insert) -> Receipt:
        """Do `keep` and remember what it returns, unless this is a request that was answered before or is set aside.

        Its place is taken by the first request that stored something. `insert` writes rows to the table of the batch:
        what was set aside is stored, if this request shows that it is new.

        Raises:
            KeyReused: its key came with another body.
            PlaceTaken: it has to be set aside, and its endpoint has no dead letters.
        """
        name = batch.idempotency
        if name is None:
            return keep()
        found = self._connection.execute(
            "SELECT digest, COALESCE(place, displaced) FROM _moose_idempotency WHERE endpoint = ? AND key = ?",
            (batch.endpoint, name.key),
        ).fetchone()
        if found is not None:
            digest, place = found
            if digest != name.digest:
                raise KeyReused(name.key)
            return self._repeated(batch, name, place, insert)
        occupant = self._occupant(batch.endpoint, name.place)
        if occupant is not None and name.place is not None and batch.rows and not _is_same(occupant[1], name.attempt):
            return self._set_aside(batch, name, name.place, occupant[0])
        receipt = keep()
        self._add(batch, name, receipt, place=name.place if occupant is None and receipt.stored else None)
        return receipt

    def _repeated(self, batch: Batch, name: Idempotency, place: str | None, insert: Insert) -> Receipt:
        released, requests = self._came_again(batch, name, place, insert)
        stored, rejected, set_aside = self._connection.execute(
            "SELECT stored, rejected, set_aside FROM _moose_idempotency WHERE endpoint = ? AND key = ?",
            (batch.endpoint, name.key),
        ).fetchone()
        return Receipt(
            stored=stored,
            rejected=rejected,
            is_repeat=True,
            set_aside=set_aside,
            released=released,
            released_requests=requests,
        )

    def _add(
        self,
        batch: Batch,
        name: Idempotency,
        receipt: Receipt,
        *,
        place: str | None = None,
        displaced: str | None = None,
        last_letter: int | None = None,
    ) -> None:
        self._connection.execute(
            "INSERT INTO _moose_idempotency"
            " (endpoint, key, digest, stored, rejected, set_aside, place, attempt, displaced, last_letter, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                batch.endpoint,
                name.key,
                name.digest,
                receipt.stored,
                receipt.rejected,
                receipt.set_aside,
                place,
                name.attempt,
                displaced,
                last_letter,
                self._at,
            ),
        )

    def _occupant(self, endpoint: str, place: str | None) -> tuple[int, str | None] | None:
        """How many records the request in a place has stored, and which attempt sent it last."""
        if place is None:
            return None
        found: tuple[int, str | None] | None = self._connection.execute(
            "SELECT stored, attempt FROM _moose_idempotency WHERE endpoint = ? AND place = ?", (endpoint, place)
        ).fetchone()
        return found

    def _set_aside(self, batch: Batch, name: Idempotency, place: str, stored: int) -> Receipt:
        """Keep the records as dead letters; `stored` are those of the request that has the place."""
        if batch.queue is None:
            raise PlaceTaken(place)
        message = f"set aside, as an earlier attempt has sent others: {place}"
        spare = [RejectedRecord(text=text, error_type=SET_ASIDE, message=message) for text in batch.texts()]
        letters = Letters(endpoint=batch.endpoint, queue=batch.queue, records=[*batch.rejected, *spare])
        last = keep_letters(self._connection, letters, self._at)
        receipt = Receipt(stored=stored, rejected=len(batch.rejected), is_repeat=True, set_aside=len(spare))
        self._add(batch, name, receipt, displaced=place, last_letter=last)
        return receipt

    def _came_again(self, batch: Batch, name: Idempotency, place: str | None, insert: Insert) -> tuple[int, int]:
        """Store what was set aside in `place` in this attempt, if the attempt has sent what has the place by now.

        Returns how many records of how many other requests.
        """
        if name.attempt is None:
            return 0, 0
        self._connection.execute(
            "UPDATE _moose_idempotency SET attempt = ? WHERE endpoint = ? AND key = ?",
            (name.attempt, batch.endpoint, name.key),
        )
        occupant = self._occupant(batch.endpoint, place)
        if occupant is None or not _is_same(occupant[1], name.attempt):
            return 0, 0
        found = self._connection.execute(
            "SELECT key, set_aside, last_letter FROM _moose_idempotency"
            " WHERE endpoint = ? AND displaced = ? AND attempt = ? AND set_aside > 0",
            (batch.endpoint, place, name.attempt),
        ).fetchall()
        released = {key: self._release(batch, key, count, last, insert) for key, count, last in found}
        released.pop(name.key, None)
        return sum(released.values()), len(released)

    def _release(self, batch: Batch, key: str, count: int, last_letter: int, insert: Insert) -> int:
        """Store the records of a request that was set aside; how many.

        Those that a replay has stored are left, and those that do not fit the model of now.
        """
        letters = self._connection.execute(
            "SELECT id, record FROM _moose_dead_letters"
            " WHERE id > ? AND id <= ? AND error_type = ? AND replayed_at IS NULL ORDER BY id",
            (last_letter - count, last_letter, SET_ASIDE),
        ).fetchall()
        judged = [(number, batch.row_of(text)) for number, text in letters]
        good = [(number, row) for number, row in judged if not isinstance(row, str)]
        self._connection.executemany(
            "UPDATE _moose_dead_letters SET replayed_at = ? WHERE id = ?", [(self._at, number) for number, _ in good]
        )
        insert([row for _, row in good])
        left = len(judged) - len(good)
        self._connection.execute(
            "UPDATE _moose_idempotency SET stored = ?, set_aside = ? WHERE endpoint = ? AND key = ?",
            (count - left, left, batch.endpoint, key),
        )
        return len(good)


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


def _is_same(one: str | None, other: str | None) -> bool:
    """Both are known, and the same attempt."""
    return one is not None and one == other
