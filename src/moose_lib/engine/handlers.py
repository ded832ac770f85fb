"""Where users' code runs: never on the worker's own event loop.

`async def` handlers share one event loop in a thread of its own; every call of a `def` handler has a thread to itself.
So a handler that blocks delays neither heartbeats nor the server's commands. The worker's loop sees each call as a
`Running`: it waits for its outcome, and may ask it to stop once.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from moose_lib.engine.loops import Call, HandlerLoop, Loops
from moose_lib.engine.running import Outcome, Running
from moose_lib.engine.threads import Threads


class Handlers:
    """The event loops of a worker's `async` handlers, and the threads of the others. Use it as a context manager."""

    def __init__(self) -> None:
        self._loops = Loops()
        self._threads = Threads()

    def __enter__(self) -> Self:
        self._loops.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop. A handler that still blocks is left behind; its thread ends with the process."""
        self._threads.close()
        self._loops.__exit__(kind, error, trace)

    def on_loop(self, call: Callable[[], Awaitable[object]]) -> Running:
        """Run `call` on an event loop of handlers."""
        return _OnLoop(self._loops, call)

    def in_thread(self, call: Callable[[], object]) -> Running:
        """Run `call` in a thread of its own."""
        return self._threads.run(call)


class _OnLoop(Running, Call):
    """A coroutine on a loop of the handlers."""

    def __init__(self, loops: Loops, call: Callable[[], Awaitable[object]]) -> None:
        Running.__init__(self)
        Call.__init__(self)
        self._loops = loops
        self._call = call
        self._task: asyncio.Task[None] | None = None
        self._has_heard = False
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._is_stopped = False
        loops.add(self)

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            task = self._task
        if task is not None:
            task.get_loop().call_soon_threadsafe(self._cancel, task)
        else:
            self._has_heard = True
            self._loops.end(self)
            self._settle(Outcome(error=asyncio.CancelledError()))

    @property
    def has_heard(self) -> bool:
        return self._has_heard

    @property
    def held_up_by(self) -> str | None:
        """What has the event loop of this call, see `HandlerLoop.held_up_by`."""
        return None if self.loop is None else self.loop.held_up_by(self.run)

    def begin(self, loop: HandlerLoop) -> None:
        with self._lock:
            if self._is_stopped:
                return
            coroutine: Coroutine[Any, Any, None] = self._run()
            self._task = loop.loop.create_task(coroutine, context=self._context)
        self._task.add_done_callback(self._end)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        self._has_heard = True
        task.cancel()

    async def _run(self) -> None:
        try:
            outcome = Outcome(value=await self._call())
        except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
            outcome = Outcome(error=error)
        self._report(lambda: self._settle(outcome))

    def _end(self, task: asyncio.Task[None]) -> None:
        """Report also a call that was stopped before its first step: on a loop that blocked, both come in one pass."""
        self._loops.end(self)
        if task.cancelled():
            self._report(lambda: self._settle(Outcome(error=asyncio.CancelledError())))
