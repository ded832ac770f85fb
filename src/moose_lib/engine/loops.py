"""The event loops of `async` handlers: one, and another as long as a handler blocks the first.

All handlers share a loop, as what users keep between calls (a connection pool, say) belongs to the loop it was made in.
A handler that blocks it keeps all others of the loop waiting. Nobody can take them off it, but those that have not
begun yet, and all that come, begin on another loop, until the first one answers again.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import logging
import sys
import sysconfig
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Generator
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self, cast
from weakref import WeakKeyDictionary

import uvloop

from moose_lib.dmv2.deliveries import numbered_task
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.attribution import TaskLogger, current_run

_logger = logging.getLogger(__name__)

#: A loop that has not answered so many looks in a row is blocked: after 5 s. Looks, as a process may have been stopped.
_LOOK_SECONDS: Final = 0.5
_BLOCKED_LOOKS: Final = 10
_CLOSE_LIMIT_SECONDS: Final = 5.0
#: Whose code is not the user's: ours, Python's, and what is installed.
_NOT_USERS: Final = (str(Path(__file__).resolve().parents[1]), sysconfig.get_paths()["stdlib"])
_BLOCKS: Final = (
    "%s blocks the event loop of async handlers for %d s by now, at %s: "
    "make the handler a def, or let a thread do that (await asyncio.to_thread)"
)
_INSTALLED: Final = ("site-packages", "dist-packages")


class Call(ABC):
    """A call that begins on a loop, and may be moved to another one before that."""

    def __init__(self) -> None:
        self.run = current_run.get()
        self.loop: HandlerLoop | None = None

    @abstractmethod
    def begin(self, loop: HandlerLoop) -> None:
        """Begin on `loop`, in its thread, unless the call has moved; called once for each loop it was given."""


class HandlerLoop:
    """An event loop in a thread of its own, which others can ask whether it answers."""

    def __init__(self, number: int) -> None:
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.loop.set_task_factory(cast("Any", self._make_task))  # Any: uvloop's types know of generators alone
        self.begun = set[Call]()
        self.waiting = set[Call]()
        self._runs: WeakKeyDictionary[asyncio.Task[Any], RunInfo | None] = WeakKeyDictionary()  # Any: users' own
        self._is_asked = False
        self._missed = 0
        self._thread = threading.Thread(target=self._serve, name=f"moose-handlers-{number}", daemon=True)
        self._thread.start()

    @property
    def silence(self) -> float:
        """For how many seconds it has not answered, about."""
        return self._missed * _LOOK_SECONDS

    @property
    def is_blocked(self) -> bool:
        """It has not answered for too long."""
        return self._missed >= _BLOCKED_LOOKS

    def look(self) -> None:
        """Ask it to answer, and see whether it has answered the last time."""
        if self._is_asked:
            self._missed += 1
        else:
            self._is_asked, self._missed = True, 0
            self.loop.call_soon_threadsafe(self._answer)

    def held_up_by(self, run: RunInfo | None) -> str | None:
        """What has the loop, so that code of `run` stands still, or does nothing else; `None` if the loop answers."""
        if self._missed == 0:
            return None
        blocker = self.blocker()
        if blocker is not None and blocker == run:
            return f"it blocks the event loop of async handlers, at {self.where()}"
        return f"{_named(blocker)} blocks its event loop, at {self.where()}"

    def blocker(self) -> RunInfo | None:
        """The attempt whose code has the loop now; `None`: none, or nobody knows whose code it is."""
        task = asyncio.current_task(self.loop)
        return None if task is None else self._runs.get(task)

    def where(self) -> str:
        """The line of users' code that has the loop now."""
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # it is documented
        found = [] if frame is None else [(each, line) for each, line in traceback.walk_stack(frame)]
        theirs = next(((each, line) for each, line in found if _is_users(each)), None)
        if theirs is None:
            return "an unknown line"
        return f"{theirs[0].f_code.co_filename}:{theirs[1]}, in {theirs[0].f_code.co_name}"

    def close(self) -> None:
        """Let it end."""
        self.loop.call_soon_threadsafe(self.loop.stop)

    def has_ended(self, within: float) -> bool:
        """Wait for the end, at most so many seconds; whether it has come."""
        self._thread.join(max(0.0, within))
        return not self._thread.is_alive()

    def _answer(self) -> None:
        self._is_asked, self._missed = False, 0

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],  # Any: users' own
        *,
        context: contextvars.Context | None = None,
        **options: Any,  # Any: what the version of Python adds
    ) -> asyncio.Task[Any]:  # Any: as above
        task = numbered_task(loop, coroutine, context=context, **options)
        self._runs[task] = current_run.get() if context is None else context.get(current_run)
        return task

    def _serve(self) -> None:
        """Run the loop; in the end cancel what users' code left running on it, as `asyncio.run` does."""
        loop = self.loop
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_CLOSE_LIMIT_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Loops:
    """The loops of a worker. Use it as a context manager."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._loops = list[HandlerLoop]()
        self._told = set[HandlerLoop]()
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._watch = threading.Thread(target=self._keep_watch, name="moose-handlers-watch", daemon=True)

    def __enter__(self) -> Self:
        self._loops.append(HandlerLoop(next(self._numbers)))
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the loops. A handler that still blocks one is left behind; its thread ends with the process."""
        self._is_closing.set()
        self._watch.join()
        for loop in self._loops:
            loop.close()
        end = time.monotonic() + _CLOSE_LIMIT_SECONDS
        for loop in self._loops:
            if not loop.has_ended(end - time.monotonic()):
                _logger.warning("an async handler still blocks its event loop and is left behind: %s", loop.where())

    def add(self, call: Call) -> None:
        """Have `call` begun by the first loop that is not blocked."""
        with self._lock:
            self._give(call, self._free())

    def _give(self, call: Call, loop: HandlerLoop) -> None:
        call.loop = loop
        loop.waiting.add(call)
        loop.loop.call_soon_threadsafe(functools.partial(self._begin, call, loop))

    def _begin(self, call: Call, loop: HandlerLoop) -> None:
        with self._lock:
            if call not in loop.waiting:
                return
            loop.waiting.discard(call)
            loop.begun.add(call)
        call.begin(loop)

    def end(self, call: Call) -> None:
        """Forget a call that has ended, or that nobody wants any more."""
        with self._lock:
            if call.loop is not None:
                call.loop.waiting.discard(call)
                call.loop.begun.discard(call)

    def _free(self) -> HandlerLoop:
        for loop in self._loops:
            if not loop.is_blocked:
                return loop
        self._loops.append(HandlerLoop(next(self._numbers)))
        return self._loops[-1]

    def _keep_watch(self) -> None:
        while not self._is_closing.wait(_LOOK_SECONDS):
            with self._lock:
                blocked = [loop for loop in self._loops if self._is_found_blocked(loop)]
            for loop in blocked:
                _tell(loop)

    def _is_found_blocked(self, loop: HandlerLoop) -> bool:
        """Look at a loop, and move what waits for a blocked one; whether that is new."""
        loop.look()
        is_known = loop in self._told
        if not loop.is_blocked:
            self._told.discard(loop)
            return False
        self._told.add(loop)
        for call in list(loop.waiting):
            loop.waiting.discard(call)
            self._give(call, self._free())
        return not is_known


def _tell(loop: HandlerLoop) -> None:
    """Say what blocks a loop, in the log of the task that does and in those of the tasks that wait for it."""
    blocker = loop.blocker()
    logger = _logger if blocker is None else TaskLogger(blocker)
    logger.warning(_BLOCKS, _named(blocker), loop.silence, loop.where())
    for run in {call.run for call in list(loop.begun)} - {blocker, None}:
        if run is not None and (held_up_by := loop.held_up_by(run)) is not None:
            TaskLogger(run).warning("this task stands still: %s", held_up_by)


def _named(blocker: RunInfo | None) -> str:
    return "code" if blocker is None else f"task {blocker.task!r} of run {blocker.workflow_id!r}"


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith(_NOT_USERS) and not any(part in file for part in _INSTALLED)
