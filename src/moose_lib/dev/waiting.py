"""Waiting for the first of several things."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import timedelta


async def first_of(
    *waits: Coroutine[Any, Any, object], within: timedelta | None = None
) -> tuple[bool, ...]:  # Any: nothing is sent
    """Wait until one of them has ended, or the time is over; tells which have. The others are cancelled.

    If the first to end raised, so does this.
    """
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        timeout = None if within is None else within.total_seconds()
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        ended = tuple(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task, has_ended in zip(tasks, ended, strict=True):
        if has_ended:
            task.result()
    return ended


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()
