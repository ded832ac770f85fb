"""`run_local`: a whole workflow in this process, without a server and without waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from pydantic import BaseModel
from pydantic_core import to_json

from moose_lib.dmv2.workflow import Workflow
from moose_lib.durations import parse_duration
from moose_lib.plan.build import compile_workflow
from moose_lib.testing.clock import VirtualLoop
from moose_lib.testing.decisions import Decisions, Desk
from moose_lib.testing.fakes import Cast, Failures, Fake
from moose_lib.testing.records import LocalRun
from moose_lib.testing.runner import Setup, perform
from moose_lib.values import read_run_input, write_run_input

#: A model, a mapping that is turned into JSON, or JSON as it comes from outside.
RunInput: TypeAlias = BaseModel | Mapping[str, object] | bytes | None


def run_local(
    workflow: Workflow,
    input: RunInput = None,
    *,
    fakes: Mapping[str, Fake] | None = None,
    fail: Mapping[str, Failures] | None = None,
    decisions: Decisions | None = None,
    cancel_at: timedelta | str | None = None,
    scheduled_time: datetime | None = None,
) -> LocalRun:
    """Run a workflow to its end, as on Temporal, in virtual time.

    Args:
        workflow: compiled first, so a wrong definition is found here.
        input: the run's input: a model, a dict, or JSON text as bytes.
        fakes: stand-ins for handlers by task name: an output, a function that is called like a handler, an exception.
        fail: by task name, how many first attempts fail, or the exceptions with which they fail one after the other.
        decisions: by task name, what is decided at once each time it parks: `Retry()`, `Skip(output)`, `Fail()`, or
            several of them one after the other. With none left the run ends as "parked".
        cancel_at: cancel the run this long after its start.
        scheduled_time: what handlers find in `ctx.run.scheduled_time`, as if a schedule had started the run.

    Raises:
        InvalidDefinition: the workflow has faults.
        InvalidInput: `input` does not fit the starting task's model; nothing has run.
        InvalidOutput: a faked or decided output does not fit its task's model; nothing has run.
        TaskNotFound: `fakes`, `fail` or `decisions` name a task that the workflow does not have.
        ValueError: `decisions` name a task that does not park.
        RuntimeError: an event loop runs in this thread; await `run_local_async` there.

    Example:
        run = run_local(orders, Order(order_id="7"), fakes={"charge": Receipt(number="r1")}, fail={"ship": 2})
        assert run.result == Parcel(number="p1")
    """
    setup = _prepare(workflow, input, fakes, fail, decisions, cancel_at, scheduled_time)
    if _has_running_loop():
        raise RuntimeError("run_local() blocks the running event loop: write `await run_local_async(…)`")
    with asyncio.Runner(loop_factory=VirtualLoop) as loop_runner:
        return loop_runner.run(_run(setup))


async def run_local_async(
    workflow: Workflow,
    input: RunInput = None,
    *,
    fakes: Mapping[str, Fake] | None = None,
    fail: Mapping[str, Failures] | None = None,
    decisions: Decisions | None = None,
    cancel_at: timedelta | str | None = None,
    scheduled_time: datetime | None = None,
) -> LocalRun:
    """`run_local` for async tests and notebooks: the workflow has an event loop of its own, in a thread.

    As on Temporal, handlers do not share the caller's event loop: clients and locks that belong to it cannot be used in
    them. Canceling the caller ends the run at once.
    """
    run = _ThreadedRun(_prepare(workflow, input, fakes, fail, decisions, cancel_at, scheduled_time))
    ending = asyncio.ensure_future(asyncio.to_thread(run.run))
    try:
        finished = await asyncio.shield(ending)
    except asyncio.CancelledError:
        run.abort()
        await asyncio.wait({ending})
        raise
    assert finished is not None, "only an aborted run has no ending"
    return finished


class _ThreadedRun:
    """A run in another thread, which can be ended from this one."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._is_aborted = False
        self._main: tuple[VirtualLoop, asyncio.Task[LocalRun | None]] | None = None

    def run(self) -> LocalRun | None:
        with asyncio.Runner(loop_factory=VirtualLoop) as loop_runner:
            return loop_runner.run(self._run())

    def abort(self) -> None:
        self._is_aborted = True
        if self._main is not None:
            loop, main = self._main
            with contextlib.suppress(RuntimeError):  # it has ended just now
                loop.call_soon_threadsafe(main.cancel)

    async def _run(self) -> LocalRun | None:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert isinstance(loop, VirtualLoop), "made by the loop factory"
        assert main is not None, "this is a coroutine of it"
        self._main = loop, main
        try:
            return None if self._is_aborted else await perform(self._setup, loop)
        except asyncio.CancelledError:
            return None


def _prepare(
    workflow: Workflow,
    given: RunInput,
    fakes: Mapping[str, Fake] | None,
    fail: Mapping[str, Failures] | None,
    decisions: Decisions | None,
    cancel_at: timedelta | str | None,
    scheduled_time: datetime | None,
) -> Setup:
    plan = compile_workflow(workflow)
    cast = Cast(workflow, {} if fakes is None else fakes, {} if fail is None else fail)
    desk = Desk(workflow, plan, {} if decisions is None else decisions)
    model = workflow.config.starting_task.input_type
    data = _json(model, given)
    read_run_input(model, data)
    moment = parse_duration(cancel_at) if isinstance(cancel_at, str) else cancel_at
    return Setup(plan=plan, cast=cast, data=data, desk=desk, cancel_at=moment, scheduled_time=scheduled_time)


def _json(model: type[BaseModel] | None, given: RunInput) -> bytes:
    if given is None or isinstance(given, BaseModel):
        return write_run_input(model, given)
    return given if isinstance(given, bytes) else to_json(given)


async def _run(setup: Setup) -> LocalRun:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "made by the loop factory"
    return await perform(setup, loop)


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
