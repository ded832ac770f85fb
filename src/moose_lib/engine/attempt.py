"""One attempt of a task: run the user's code, keep Temporal informed, and stop the code when it has to stop.

Why an attempt is stopped decides what follows. A canceled run and an attempt whose time is over run `on_cancel`, with
the same context. A worker that has to go stops the code without `on_cancel`, as another worker runs the task again. The
same holds when Temporal no longer wants this attempt (the run was terminated, or the task was given to somebody else).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeVar

from temporalio import activity

from moose_lib import calling
from moose_lib.dmv2.workflow import RunInfo, Task, TaskContext
from moose_lib.engine.handlers import Handlers
from moose_lib.engine.running import Outcome, Running
from moose_lib.engine.wire import HEARTBEAT_INTERVAL, AttemptsUsed
from moose_lib.logs.attribution import TaskLogger, current_run
from moose_lib.plan.model import Source
from moose_lib.plan.retrying import TimeLimit

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

#: How long a stopped handler may take to notice; one that blocks is left behind then.
_NOTICE_SECONDS: Final = 1.0
#: How long a handler that has noticed may clean up, and how long `on_cancel` may take.
GRACE_SECONDS: Final = 30.0


class Stopped(Enum):
    """Why an attempt was stopped."""

    CANCELED = auto()
    TIMED_OUT = auto()
    WORKER_SHUTDOWN = auto()
    UNWANTED = auto()

    @property
    def runs_on_cancel(self) -> bool:
        """The attempt ends for good and its user may clean up after it."""
        return self in (Stopped.CANCELED, Stopped.TIMED_OUT)


class AttemptStopped(Exception):
    """The attempt was stopped and everything that follows has been done."""

    def __init__(self, reason: Stopped) -> None:
        super().__init__(reason.name)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What an attempt is about: the task, its values, and the limit of its time (`None`: none)."""

    task: Task[Any, Any]  # Any: tasks have models of their own
    source: Source
    values: Sequence[bytes]
    run: RunInfo
    limit: TimeLimit | None


@dataclass(frozen=True)
class _Unawaited:
    """What a `def` handler returned, still to be awaited on the handlers' loop."""

    awaitable: Awaitable[object]


class Attempt:
    """One attempt of `assignment`; `notes` are repeated in every heartbeat."""

    def __init__(self, handlers: Handlers, assignment: Assignment, notes: AttemptsUsed) -> None:
        self._handlers = handlers
        self._assignment = assignment
        self._notes = notes.model_dump()
        self._context: TaskContext[Any] | None = None  # Any: the input model is the task's own
        self._running: Running | None = None

    async def run(self) -> bytes:
        """JSON of the handler's output.

        Raises:
            AttemptStopped: canceled, or the worker has to go.
            TaskTimedOut: the attempt's time is over.
            TotalTimedOut: the time of all attempts is over.
            BaseException: whatever the user's code raised.
        """
        current_run.set(self._assignment.run)
        limit = self._assignment.limit
        try:
            outcome = await self._first_outcome(None if limit is None else limit.time.total_seconds())
        except asyncio.CancelledError:
            outcome, reason = None, _cancel_reason()
        else:
            reason = Stopped.TIMED_OUT
        if outcome is None:
            await _uninterrupted(self._stop(reason))
            raise self._stopped(reason)
        if outcome.error is not None:
            raise outcome.error
        assert isinstance(outcome.value, bytes), "both ways of calling a handler end with its encoded output"
        return outcome.value

    async def _first_outcome(self, seconds: float | None) -> Outcome | None:
        """What the handler came to; `None` if its time is over before."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        is_async = self._assignment.task.signature.is_async
        self._running = self._handlers.on_loop(self._call_async) if is_async else self._handlers.in_thread(self._call)
        outcome = await self._outcome_by(end, self._running)
        if outcome is not None and isinstance(outcome.value, _Unawaited):
            unawaited = outcome.value
            self._running = self._handlers.on_loop(lambda: self._finish(unawaited.awaitable))
            outcome = await self._outcome_by(end, self._running)
        return outcome

    async def _outcome_by(self, end: float | None, running: Running) -> Outcome | None:
        """Heartbeat until the code has ended, or until `end`."""
        loop = asyncio.get_running_loop()
        while not running.outcome.done():
            pause = HEARTBEAT_INTERVAL.total_seconds()
            if end is not None:
                pause = min(pause, end - loop.time())
            if pause <= 0:
                return None
            await asyncio.wait({running.outcome}, timeout=pause)
            if not running.outcome.done():
                activity.heartbeat(self._notes | {"held_up_by": running.held_up_by})
        return running.outcome.result()

    def _call(self) -> object:
        result = calling.invoke(self._assignment.task, self._begin())
        return _Unawaited(result) if inspect.isawaitable(result) else self._encode(result)

    async def _call_async(self) -> object:
        result = calling.invoke(self._assignment.task, self._begin())
        return self._encode(await result if inspect.isawaitable(result) else result)

    async def _finish(self, awaitable: Awaitable[object]) -> object:
        self._assignment.run.deliveries.begin("awaited")
        return self._encode(await awaitable)

    def _begin(self) -> TaskContext[Any]:  # Any: as above
        assignment = self._assignment
        given = calling.decode_input(assignment.task, assignment.source, assignment.values)
        self._context = TaskContext(input=given, run=assignment.run, logger=TaskLogger(assignment.run))
        return self._context

    def _encode(self, result: object) -> bytes:
        return calling.encode_output(self._assignment.task, result)

    async def _stop(self, reason: Stopped) -> None:
        running = self._running
        if running is not None and not running.outcome.done():
            running.stop()
            await self._unwound(running)
        if reason.runs_on_cancel and self._context is not None:
            await self._on_cancel(self._context)

    async def _unwound(self, running: Running) -> None:
        """Wait for code that was asked to stop, but not for ever."""
        loop = asyncio.get_running_loop()
        outcome = await self._outcome_by(loop.time() + _NOTICE_SECONDS, running)
        if outcome is None and running.has_heard:
            outcome = await self._outcome_by(loop.time() + GRACE_SECONDS, running)
        if outcome is None:
            why = running.held_up_by or ("it was told to, and goes on" if running.has_heard else "it blocks")
            TaskLogger(self._assignment.run).warning("the handler does not stop, and is left behind: %s", why)

    async def _on_cancel(self, context: TaskContext[Any]) -> None:  # Any: as above
        task = self._assignment.task
        if task.config.on_cancel is None:
            return

        def call() -> object:
            return calling.invoke_on_cancel(task, context)

        is_async = inspect.iscoroutinefunction(task.config.on_cancel)
        running = self._handlers.on_loop(lambda: _awaited(call)) if is_async else self._handlers.in_thread(call)
        end = asyncio.get_running_loop().time() + GRACE_SECONDS
        outcome = await self._outcome_by(end, running)
        if outcome is not None and inspect.isawaitable(outcome.value):
            awaitable = outcome.value
            running = self._handlers.on_loop(lambda: awaitable)
            outcome = await self._outcome_by(end, running)
        if outcome is None:
            running.stop()
            context.logger.error("on_cancel took longer than %d s and was stopped", GRACE_SECONDS)
        elif outcome.error is not None:
            calling.log_failed_on_cancel(context, outcome.error)

    def _stopped(self, reason: Stopped) -> Exception:
        if reason is not Stopped.TIMED_OUT or self._assignment.limit is None:
            return AttemptStopped(reason)
        running = self._running
        last = running.outcome.result().error if running is not None and running.outcome.done() else None
        return self._assignment.limit.error.with_traceback(None if last is None else last.__traceback__)


async def _awaited(call: Callable[[], object]) -> object:
    result = call()
    return await result if inspect.isawaitable(result) else result


def _cancel_reason() -> Stopped:
    details = activity.cancellation_details()
    if details is not None and details.worker_shutdown:
        return Stopped.WORKER_SHUTDOWN
    if details is not None and details.cancel_requested:
        return Stopped.CANCELED
    return Stopped.UNWANTED


async def _uninterrupted(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Finish `coroutine` though Temporal cancels this activity once more: the worker may have to stop meanwhile."""
    task = asyncio.ensure_future(coroutine)
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            _logger.debug("already stopping")
    return task.result()
