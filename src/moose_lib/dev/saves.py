"""The saves nobody has acted on yet: however many there are, they make one reload, of the newest code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Saved:
    """Files saved, and when the last of them was (on the event loop's clock)."""

    files: tuple[Path, ...] = ()
    at: float = 0.0

    def __or__(self, other: Saved) -> Saved:
        """Both, as one save."""
        return Saved(files=tuple(sorted({*self.files, *other.files})), at=max(self.at, other.at))


class Saves:
    """A mailbox with room for one."""

    def __init__(self) -> None:
        self._waiting = Saved()
        self._arrived = asyncio.Event()

    def add(self, files: Iterable[Path]) -> None:
        """Note a save."""
        self._waiting |= Saved(files=tuple(files), at=asyncio.get_running_loop().time())
        self._arrived.set()

    def take(self) -> Saved:
        """Take what has come since the last time; perhaps nothing."""
        self._arrived.clear()
        taken, self._waiting = self._waiting, Saved()
        return taken

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._arrived.wait()
