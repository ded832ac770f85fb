"""What was sent to ingest: the answer, and what one attempt sends, so that it is named the same in every attempt."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """How many records are in the store now, how many the server refused, and how many of those stored were before.

    `repeated` are those that an earlier attempt, or the run that is resumed, had stored already.
    """

    stored: int = 0
    rejected: int = 0
    repeated: int = 0


class Deliveries:
    """Counts what one attempt sends; used from its threads and its event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._occurrences = Counter[bytes]()
        self._stored = Counter[str]()

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
