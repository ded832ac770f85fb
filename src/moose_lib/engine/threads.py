"""Threads for `def` handlers, in which one can be asked to stop.

CPython can raise an exception in another thread, between any two of its instructions. So that it always hits the
call it is meant for, a call that has ended cannot be stopped any more, and one that was stopped waits for the exception
to arrive. No lock written in Python is taken where it can arrive: it would be left locked.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import queue
import threading
from collections.abc import Callable

from moose_lib.engine.running import Outcome, Running


class HandlerStopped(asyncio.CancelledError):
    """Raised inside a `def` handler that has to stop: the run was canceled, or the attempt's time is over.

    Like asyncio's cancellation it is not an `Exception`; clean up in `finally`, and let it pass.
    """

    def __init__(self) -> None:
        super().__init__("stopped")
        thread = threading.current_thread()
        if isinstance(thread, _HandlerThread) and thread.call is not None:
            thread.call.heard = True


class Threads:
    """As many threads as calls run at a time; a thread is used again when its call has ended.

    They end with the process, or when they have nothing to do after `close`: a call that blocks holds nobody up.
    """

    def __init__(self) -> None:
        self._idle: list[_HandlerThread] = []
        self._is_closed = False

    def run(self, function: Callable[[], object]) -> Running:
        """Run `function` in a thread, with a copy of the current context."""
        thread = self._idle.pop() if self._idle else _HandlerThread(self._take_back)
        call = _InThread(function, thread)
        thread.calls.put(call)
        return call

    def close(self) -> None:
        """Let the threads end."""
        self._is_closed = True
        for thread in self._idle:
            thread.calls.put(None)

    def _take_back(self, thread: _HandlerThread) -> None:
        if self._is_closed:
            thread.calls.put(None)
        else:
            self._idle.append(thread)


class _InThread(Running):
    """A function in a thread."""

    def __init__(self, function: Callable[[], object], thread: _HandlerThread) -> None:
        super().__init__()
        self.heard = False
        self._function = function
        self._thread = thread
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._has_begun = self._has_ended = self._is_stopped = False

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._has_begun and not self._has_ended:
                _raise_in_thread(self._thread.ident)

    @property
    def has_heard(self) -> bool:
        return self.heard

    def perform(self) -> None:
        """Run the function and tell its outcome; called by the thread."""
        outcome = Outcome()
        try:
            try:
                self._begin()
                outcome = Outcome(value=self._context.run(self._function))
            except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
                outcome = Outcome(error=error)
            self._end()
        except HandlerStopped as error:  # it arrived just after the function had ended
            outcome = outcome if outcome != Outcome() else Outcome(error=error)
        self._report(lambda: self._settle(outcome))

    def _begin(self) -> None:
        with self._lock:
            self._has_begun = True
            is_unwanted = self._is_stopped
        if is_unwanted:
            raise HandlerStopped

    def _end(self) -> None:
        """Refuse to be stopped from here on, and let a stop that is under way arrive before the next call does.

        Taking it back is no way: CPython 3.11 then leaves every thread of the process on its slow path for ever, and
        under a tracer (a debugger, coverage) spinning.
        """
        with self._lock:
            self._has_ended = True
            is_stopped = self._is_stopped
        while is_stopped and not self.heard:
            pass


class _HandlerThread(threading.Thread):
    """A thread that performs one call after the other."""

    def __init__(self, take_back: Callable[[_HandlerThread], None]) -> None:
        super().__init__(name="moose-handler", daemon=True)
        self.calls: queue.SimpleQueue[_InThread | None] = queue.SimpleQueue()
        self.call: _InThread | None = None
        self._take_back = take_back
        self.start()

    def run(self) -> None:
        """Perform calls until there is a `None` among them."""
        while self._perform_next():
            self.call = None
            self._take_back(self)

    def _perform_next(self) -> bool:
        self.call = self.calls.get()
        if self.call is not None:
            self.call.perform()
        return self.call is not None


def _raise_in_thread(identifier: int | None) -> None:
    """Raise HandlerStopped in a thread at its next Python instruction.

    Python 3.11 under a tracer spins in every thread for as long as the exception is pending.
    """
    assert identifier is not None, "the thread was started"
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(identifier), ctypes.py_object(HandlerStopped))
