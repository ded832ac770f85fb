"""Where users' code runs: never on the worker's own event loop.

`async def` handlers share one event loop in a thread of its own; every call of a `def` handler has a thread to itself.
So a handler that blocks delays neither heartbeats nor the server's commands. The worker's loop sees each call as a
`Running`: it waits for its outcome, and may ask it to stop once.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self

import uvloop

from moose_lib.engine.running import Outcome, Running
from moose_lib.engine.threads import Threads

_logger = logging.getLogger(__name__)

_CLOSE_LIMIT_SECONDS: Final = 5.0


class Handlers:
    """The event loop of a worker's `async` handlers, and the threads of the others. Use it as a context manager."""

    def __init__(self) -> None:
        self._user_loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._loop_thread = threading.Thread(target=self._serve, name="moose-handlers", daemon=True)
        self._threads = Threads()

    def __enter__(self) -> Self:
        self._loop_thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the loop. A handler that still blocks it is left behind; its thread ends with the process."""
        self._threads.close()
        self._user_loop.call_soon_threadsafe(self._user_loop.stop)
        self._loop_thread.join(_CLOSE_LIMIT_SECONDS)
        if self._loop_thread.is_alive():
            _logger.warning("an async handler still blocks its event loop and is left behind")

    def on_loop(self, call: Callable[[], Awaitable[object]]) -> Running:
        """Run `call` on the handlers' event loop."""
        return _OnLoop(self._user_loop, call)

    def in_thread(self, call: Callable[[], object]) -> Running:
        """Run `call` in a thread of its own."""
        return self._threads.run(call)

    def _serve(self) -> None:
        """Run the loop; in the end cancel what users' code left running on it, as `asyncio.run` does."""
        loop = self._user_loop
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_CLOSE_LIMIT_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _OnLoop(Running):
    """A coroutine on the handlers' loop."""

    def __init__(self, user_loop: asyncio.AbstractEventLoop, call: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._user_loop = user_loop
        self._call = call
        self._task: asyncio.Task[None] | None = None
        self._has_heard = False
        self._context = contextvars.copy_context()
        user_loop.call_soon_threadsafe(self._begin, context=self._context)

    def stop(self) -> None:
        self._user_loop.call_soon_threadsafe(self._cancel)

    @property
    def has_heard(self) -> bool:
        return self._has_heard

    def _begin(self) -> None:
        coroutine: Coroutine[Any, Any, None] = self._run()
        self._task = self._user_loop.create_task(coroutine, context=self._context)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        assert self._task is not None, "begun before it is stopped: both are calls on one loop, in order"
        self._has_heard = True
        self._task.cancel()

    async def _run(self) -> None:
        try:
            outcome = Outcome(value=await self._call())
        except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
            outcome = Outcome(error=error)
        self._report(lambda: self._settle(outcome))

    def _end(self, task: asyncio.Task[None]) -> None:
        """Report a call that was stopped before it began: on a loop that blocked, both come in one pass."""
        if task.cancelled():
            self._report(lambda: self._settle(Outcome(error=asyncio.CancelledError())))
