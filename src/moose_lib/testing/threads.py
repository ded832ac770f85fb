"""`def` handlers in threads of their own, which can be asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass

from moose_lib.testing.clock import VirtualLoop


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a call of user code came to: a value, or the exception it raised."""

    value: object = None
    error: BaseException | None = None


class HandlerThread:
    """A call in a thread of its own; the loop's clock runs with real time until it has ended or is left behind.

    `outcome` is a future of the loop.
    """

    def __init__(self, loop: VirtualLoop, call: Callable[[], object]) -> None:
        self._loop = loop
        self._call = call
        self._is_held = True
        self._is_over = False
        self._may_end = threading.Event()
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._main,), name="moose-handler", daemon=True)
        loop.clock.hold()
        self._thread.start()

    def stop(self) -> None:
        """Raise asyncio's CancelledError in the code, at its next Python instruction; call it at most once.

        CPython 3.11 under a tracer (coverage, a debugger) spins in every other thread until that instruction comes:
        there a handler that blocks is waited for.
        """
        if not self._is_over:  # else the identifier may be another thread's by now
            assert self._thread.ident is not None, "started"
            error = ctypes.py_object(asyncio.CancelledError)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), error)

    def leave_behind(self) -> None:
        """Let the clock jump again, though the code may still block."""
        if self._is_held:
            self._is_held = False
            self._loop.clock.release()

    def _main(self) -> None:
        # The request to stop can arrive between any two instructions of this function, though only once.
        outcome = Outcome()
        try:
            try:
                outcome = Outcome(value=self._call())
            except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
                outcome = Outcome(error=error)
            self._end(outcome)
        except asyncio.CancelledError as error:
            self._end(outcome if outcome != Outcome() else Outcome(error=error))

    def _end(self, outcome: Outcome) -> None:
        with contextlib.suppress(RuntimeError):  # left behind, and the loop is closed by now
            self._loop.call_soon_threadsafe(self._settle, outcome)
            self._may_end.wait()

    def _settle(self, outcome: Outcome) -> None:
        self._is_over = True
        self.leave_behind()
        if not self.outcome.done():
            self.outcome.set_result(outcome)
        self._may_end.set()
