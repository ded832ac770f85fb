"""What a store of records is: the protocol, and what goes in and comes out.

A store answers only when what it was given is committed. It never holds more in memory than it was told to: past that
it refuses with `StoreBusy`, which becomes a 503 with `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from moose_lib.ingest.columns import Cell

Source = Literal["api", "transform", "table"]


@dataclass(frozen=True, kw_only=True)
class RejectedRecord:
    """A record that was refused: its own text, at most as long as the limit for one record, and why."""

    text: str
    error_type: str
    message: str
    source: Source = "api"


@dataclass(frozen=True, kw_only=True)
class Idempotency:
    """A key that a client gave to a request, and a digest of its body: the same key stores once.

    `place` is where the request stands among those of a task: what comes there with another key is set aside. `attempt`
    is the attempt that sends it.
    """

    key: str
    digest: bytes
    place: str | None = None
    attempt: str | None = None


def no_texts() -> Sequence[str]:
    """The texts of the records of a batch that is never set aside."""
    return ()


def no_row(text: str) -> str:  # noqa: ARG001  # one that makes rows needs it
    """The row of a record of such a batch."""
    return "no record of this batch is set aside"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one request brings: rows for `table` in the order of its columns, and the records that were refused.

    `size` is about the bytes that it takes in memory. `queue` is the dead-letter queue of the endpoint. `texts` tells
    the rows' records as they came, if the batch is to be set aside; `row_of` makes such a text a row again, or says
    why it is none.
    """

    endpoint: str
    table: str
    rows: Sequence[tuple[Cell, ...]]
    rejected: Sequence[RejectedRecord] = ()
    queue: str | None = None
    idempotency: Idempotency | None = None
    size: int = 0
    texts: Callable[[], Sequence[str]] = no_texts
    row_of: Callable[[str], tuple[Cell, ...] | str] = no_row


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was committed; `is_repeat`: nothing was stored now, an earlier request with the same key or place did it.

    `set_aside` are records that came in the place of what was stored then; they are among the dead letters. `released`
    are records of `released_requests` earlier ones that were set aside and are stored now.
    """

    stored: int
    rejected: int
    is_repeat: bool = False
    set_aside: int = 0
    released: int = 0
    released_requests: int = 0


class Store(Protocol):
    """Where records go."""

    async def put(self, batch: Batch) -> Receipt:
        """Keep a batch; returns when it is committed, all of it.

        Raises:
            StoreBusy: there is too much waiting already.
            StoreFailed: it could not be committed.
            KeyReused: its idempotency key came with another body before.
            PlaceTaken: other records came in its place before, and there are no dead letters to set it aside in.
        """
        ...
