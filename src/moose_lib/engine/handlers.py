"""Where users' code runs: never on the worker's own event loop.

`async def` handlers share one event loop in a thread of its own; every call of a `def` handler gets a thread of its
own. So a handler that blocks delays neither heartbeats nor the server's commands. The worker's loop sees each call as
a `Running`: it waits for its outcome, and may ask it to stop once.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

_logger = logging.getLogger(__name__)

_CLOSE_LIMIT_SECONDS: Final = 5.0
_RELEASE_LIMIT_SECONDS: Final = 60.0


class HandlerStopped(asyncio.CancelledError):
    """Raised inside a `def` handler that has to stop: the run was canceled, or the attempt's time is over.

    Like asyncio's cancellation it is not an `Exception`; clean up in `finally`, and let it pass.
    """

    def __init__(self) -> None:
        super().__init__("stopped")
        thread = threading.current_thread()
        if isinstance(thread, _HandlerThread):
            thread.has_heard.set()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a call of user code came to: a value, or the exception it raised, whichever that is."""

    value: object = None
    error: BaseException | None = None


class Running(ABC):
    """A call of user code that is under way, seen from the worker's loop.

    `outcome` is done when the code has ended. It is a future of the worker's loop.
    """

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

    def _settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _report(self, settle: Callable[[], None]) -> None:
        """Call `settle` on the worker's loop, from whichever thread; the worker may be gone by now."""
        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            _logger.debug("a handler ended after its worker")


class Handlers:
    """The event loop of a worker's `async` handlers, and the threads of the others. Use it as a context manager."""

    def __init__(self) -> None:
        self._user_loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="moose-handlers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the loop. A handler that still blocks it is left behind; its thread ends with the process."""
        self._user_loop.call_soon_threadsafe(self._user_loop.stop)
        self._thread.join(_CLOSE_LIMIT_SECONDS)
        if self._thread.is_alive():
            _logger.warning("an async handler still blocks its event loop and is left behind")

    def on_loop(self, call: Callable[[], Awaitable[object]]) -> Running:
        """Run `call` on the handlers' event loop."""
        return _OnLoop(self._user_loop, call)

    def in_thread(self, call: Callable[[], object]) -> Running:
        """Run `call` in a thread of its own."""
        return _InThread(call)

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
        self._has_heard = threading.Event()
        self._context = contextvars.copy_context()
        user_loop.call_soon_threadsafe(self._begin, context=self._context)

    def stop(self) -> None:
        self._user_loop.call_soon_threadsafe(self._cancel)

    @property
    def has_heard(self) -> bool:
        return self._has_heard.is_set()

    def _begin(self) -> None:
        coroutine: Coroutine[Any, Any, None] = self._run()
        self._task = self._user_loop.create_task(coroutine, context=self._context)

    def _cancel(self) -> None:
        assert self._task is not None, "begun before it is stopped: both are calls on one loop, in order"
        self._has_heard.set()
        self._task.cancel()

    async def _run(self) -> None:
        try:
            outcome = Outcome(value=await self._call())
        except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
            outcome = Outcome(error=error)
        self._report(lambda: self._settle(outcome))


class _InThread(Running):
    """A function in a thread of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call
        self._released = threading.Event()
        self._is_over = False
        context = contextvars.copy_context()
        self._thread = _HandlerThread(target=context.run, args=(self._main,), name="moose-handler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if not self._is_over:  # then the thread waits for its release, so the identifier is still its own
            _raise_in_thread(self._thread.ident)

    @property
    def has_heard(self) -> bool:
        return self._thread.has_heard.is_set()

    def _main(self) -> None:
        """Run the call. `HandlerStopped` can arrive between any two instructions, though only once."""
        outcome = Outcome()
        try:
            try:
                outcome = Outcome(value=self._call())
            except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
                outcome = Outcome(error=error)
            self._end(outcome)
        except HandlerStopped as error:
            self._end(outcome if outcome != Outcome() else Outcome(error=error))

    def _end(self, outcome: Outcome) -> None:
        self._report(lambda: self._settle_and_release(outcome))
        self._released.wait(_RELEASE_LIMIT_SECONDS)

    def _settle_and_release(self, outcome: Outcome) -> None:
        self._is_over = True
        self._settle(outcome)
        self._released.set()


class _HandlerThread(threading.Thread):
    """A thread that knows whether the request to stop has reached it."""

    def __init__(self, *, target: Callable[..., object], args: tuple[object, ...], name: str, daemon: bool) -> None:
        super().__init__(target=target, args=args, name=name, daemon=daemon)
        self.has_heard = threading.Event()


def _raise_in_thread(identifier: int | None) -> None:
    """Raise HandlerStopped in a thread at its next Python instruction; the interpreter's own C call for that.

    Python 3.11 under a tracer (a debugger, coverage) spins in every thread for as long as the exception is pending.
    """
    assert identifier is not None, "the thread was started"
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(identifier), ctypes.py_object(HandlerStopped))
