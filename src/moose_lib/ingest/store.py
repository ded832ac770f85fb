"""What a store of records is: the protocol, and what goes in and comes out.

A store answers only when what it was given is committed. It never holds more in memory than it was told to: past that
it refuses with `StoreBusy`, which becomes a 503 with `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """A key that a client gave to a request, and a digest of its body: the same key stores once."""

    key: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one request brings: rows for `table` in the order of its columns, and the records that were refused.

    `size` is about the bytes that it takes in memory. `queue` is the dead-letter queue of the endpoint.
    """

    endpoint: str
    table: str
    rows: Sequence[tuple[Cell, ...]]
    rejected: Sequence[RejectedRecord] = ()
    queue: str | None = None
    idempotency: Idempotency | None = None
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was committed; `is_repeat`: an earlier request with the same key did it, and nothing was stored now."""

    stored: int
    rejected: int
    is_repeat: bool = False


class Store(Protocol):
    """Where records go."""

    async def put(self, batch: Batch) -> Receipt:
        """Keep a batch; returns when it is committed, all of it.

        Raises:
            StoreBusy: there is too much waiting already.
            StoreFailed: it could not be committed.
            KeyReused: its idempotency key came with another body before.
        """
        ...
