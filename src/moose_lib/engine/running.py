"""A call of user code that is under way in another thread, seen from the worker's event loop."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a call of user code came to: a value, or the exception it raised, whichever that is."""

    value: object = None
    error: BaseException | None = None


class Running(ABC):
    """A call under way. `outcome`, a future of the worker's loop, is done when the code has ended."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Outcome] = self._loop.create_future()

    @abstractmethod
    def stop(self) -> None:
        """Ask the code to stop, by an exception raised in it. Call it at most once."""

    @property
    @abstractmethod
    def has_heard(self) -> bool:
        """The code was reached by `stop`: it unwinds. Code that blocks is not reached until it stops blocking."""

    @property
    def held_up_by(self) -> str | None:
        """What has the event loop of the code, itself or something else; `None` if the loop is free, or it has none."""
        return None

    def _settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _report(self, settle: Callable[[], None]) -> None:
        """Call `settle` on the worker's loop, from whichever thread; the worker may be gone by now."""
        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            _logger.debug("a handler ended after its worker")
