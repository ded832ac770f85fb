"""The server of a project in the process of a test, as `moose-cli serve` runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from moose_lib.project.loader import LoadedProject
from moose_lib.server.serving import Serving, run_server

__all__ = ["Served", "served"]


@dataclass(frozen=True)
class Served:
    """What runs, and the event that tells it to stop."""

    stop: asyncio.Event
    task: asyncio.Task[None]


@asynccontextmanager
async def served(project: LoadedProject, tell: Callable[[Serving], None] = lambda _: None) -> AsyncGenerator[Served]:
    """It answers when this begins, has stopped when this ends, and told `tell` where it is."""
    stop, ready = asyncio.Event(), asyncio.Event()

    def on_ready(serving: Serving) -> None:
        tell(serving)
        ready.set()

    task = asyncio.create_task(run_server(project, stop=stop, on_ready=on_ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert ready.is_set(), task
    try:
        yield Served(stop, task)
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)
