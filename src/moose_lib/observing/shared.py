"""The numbers of several workers behind one endpoint: each leaves them in files of one folder, as they change.

That is prometheus-client's way of several processes. A count outlives its worker, even one that was killed, so a
reload makes no counter fall; what only a living worker can say goes with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["SharedMetrics"]


class SharedMetrics:
    """The folder in which workers leave their numbers; `alive` says which processes live."""

    def __init__(self, directory: Path, alive: Callable[[], Iterable[int]]) -> None:
        self.directory = directory
        self._alive = alive
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)

    def registry(self) -> CollectorRegistry:
        """Everything, as it is now."""
        self._forget_dead()
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self.directory))  # type: ignore[no-untyped-call]  # theirs has no types
        return registry

    def _forget_dead(self) -> None:
        living = set(self._alive())
        for file in self.directory.glob("gauge_live*_*.db"):
            number = file.stem.rpartition("_")[2]
            if number.isdecimal() and int(number) not in living:
                file.unlink(missing_ok=True)
