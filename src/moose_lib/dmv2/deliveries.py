"""What was sent to ingest: the answer, and what one attempt sends, so that it is named the same in every attempt."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """How many records are in the store now, how many the server refused, and how many of those stored were before.

    `repeated` are those that an earlier attempt, or the run that is resumed, had stored already. `set_aside` were not
    stored, as an earlier attempt had sent other records in their place: they are with the dead letters.
    """

    stored: int = 0
    rejected: int = 0
    repeated: int = 0
    set_aside: int = 0


class Deliveries:
    """What one attempt sends; used from its threads and its event loop.

    `origin` is the same for all that may send again what this attempt sends: the id of the run with which the work
    began. `None`: nobody will.
    """

    def __init__(self, origin: str | None = None) -> None:
        self.origin = origin
        self._lock = threading.Lock()
        self._flow: object = None
        self._requests = Counter[str]()
        self._occurrences = Counter[bytes]()
        self._stored = Counter[str]()

    def begin(self) -> None:
        """The handler begins, in this thread or asyncio task: what it sends from here it sends in a known order."""
        self._flow = _flow()

    def next_place(self, endpoint: str) -> int | None:
        """The number of a request to an endpoint, from 1; `None` in a thread or task that the handler has started.

        Those run in any order, so that a number would name something else in each attempt.
        """
        if self._flow is None or self._flow != _flow():
            return None
        with self._lock:
            self._requests[endpoint] += 1
            return self._requests[endpoint]

    def occurrence(self, digest: bytes) -> int:
        """How often content with this digest was sent before, in this attempt."""
        with self._lock:
            self._occurrences[digest] += 1
            return self._occurrences[digest] - 1

    def add(self, endpoint: str, count: int) -> None:
        """Count records that are in the store, thanks to this attempt or an earlier one."""
        with self._lock:
            self._stored[endpoint] += count

    @property
    def stored(self) -> Mapping[str, int]:
        """Records in the store by endpoint."""
        with self._lock:
            return dict(self._stored)


def _flow() -> object:
    """The asyncio task that runs here, or else the thread."""
    try:
        return asyncio.current_task() or threading.get_ident()
    except RuntimeError:
        return threading.get_ident()
