"""One attempt of a task in a local run: call the user's code, and stop it when it has to stop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from moose_lib import calling
from moose_lib.dmv2.workflow import RunInfo, TaskContext
from moose_lib.logs.attribution import TaskLogger
from moose_lib.plan.model import Source
from moose_lib.plan.retrying import TimeLimit
from moose_lib.testing.clock import VirtualLoop
from moose_lib.testing.fakes import AnyTask
from moose_lib.testing.threads import HandlerThread, Outcome

#: How long, in real time, a `def` handler may take to notice that it has to stop; one that blocks is left behind then.
_NOTICE_SECONDS = 1.0
#: How long a stopped `async` handler may clean up, and how long `on_cancel` may take, in virtual time.
_GRACE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What an attempt is about: the task, the values of its source, and the limit of its time (`None`: none)."""

    task: AnyTask
    source: Source
    values: Sequence[bytes]
    run: RunInfo
    limit: TimeLimit | None


class RunningAttempt:
    """The attempt while it runs; `injected` is raised in place of calling the handler."""

    def __init__(self, loop: VirtualLoop, assignment: Assignment, injected: BaseException | None) -> None:
        self._loop = loop
        self._assignment = assignment
        self._injected = injected
        self._context: TaskContext[Any] | None = None  # Any: the input model is the task's own
        self._thread: HandlerThread | None = None

    async def run(self) -> Outcome:
        """The handler's output as JSON, or why there is none; raises CancelledError only if it is canceled itself."""
        work = self._loop.create_task(self._work())
        limit = self._assignment.limit
        try:
            await asyncio.wait({work}, timeout=None if limit is None else limit.time.total_seconds())
        except asyncio.CancelledError:
            await self._stop(work)
            raise
        if work.done():
            return work.result()
        await self._stop(work)
        await self.clean_up()
        assert limit is not None, "without one there is nothing to be late for"
        return Outcome(error=limit.error.with_traceback(_where_it_stopped(work)))

    async def clean_up(self) -> None:
        """Call `on_cancel` with the context the handler had; what it raises is logged."""
        on_cancel = self._assignment.task.config.on_cancel
        if on_cancel is None or self._context is None:
            return
        context = self._context
        is_async = inspect.iscoroutinefunction(on_cancel)
        work = self._loop.create_task(
            self._called(lambda: calling.invoke_on_cancel(self._assignment.task, context), is_async=is_async)
        )
        await asyncio.wait({work}, timeout=_GRACE_SECONDS)
        if not work.done():
            await self._stop(work)
            context.logger.error("on_cancel took longer than %d s and was stopped", _GRACE_SECONDS)
        elif (error := work.result().error) is not None:
            calling.log_failed_on_cancel(context, error)

    async def _work(self) -> Outcome:
        if self._injected is not None:
            return Outcome(error=self._injected)
        outcome = await self._called(self._invoke, is_async=self._assignment.task.signature.is_async)
        if outcome.error is not None:
            return outcome
        try:
            return Outcome(value=calling.encode_output(self._assignment.task, outcome.value))
        except Exception as error:  # noqa: BLE001  # users' serializers may raise anything; it is the task's failure
            return Outcome(error=error)

    def _invoke(self) -> object:
        assignment = self._assignment
        given = calling.decode_input(assignment.task, assignment.source, assignment.values)
        self._context = TaskContext(input=given, run=assignment.run, logger=TaskLogger(assignment.run))
        return calling.invoke(assignment.task, self._context)

    async def _called(self, call: Callable[[], object], *, is_async: bool) -> Outcome:
        """Call user code on the loop or in a thread, and await what it returns if that has to be awaited."""
        try:
            value = call() if is_async else await self._in_thread(call)
            if not is_async:
                self._assignment.run.deliveries.begin("awaited")
            return Outcome(value=await value if inspect.isawaitable(value) else value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the outcome of users' code, sys.exit() included
            return Outcome(error=error)

    async def _in_thread(self, call: Callable[[], object]) -> object:
        self._thread = thread = HandlerThread(self._loop, call)
        try:
            outcome = await thread.outcome
        finally:
            self._thread = None
            thread.leave_behind()
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    async def _stop(self, work: asyncio.Task[Outcome]) -> None:
        """Ask the code to stop and wait for it, but not for ever."""
        if self._thread is not None:
            self._thread.stop()
            await asyncio.wait({work}, timeout=_NOTICE_SECONDS)
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=_GRACE_SECONDS)
        if not work.done():
            TaskLogger(self._assignment.run).warning("the handler does not stop, and is left behind")


def _where_it_stopped(work: asyncio.Task[Outcome]) -> Any:  # Any: a traceback or None, whose class typing hides
    error = work.result().error if work.done() else None
    return None if error is None else error.__traceback__
