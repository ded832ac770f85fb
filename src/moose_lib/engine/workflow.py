"""The interpreter: one Temporal workflow that runs every plan.

It only obeys `plan.progress`. It reads no clock, no randomness and no user code, and it never decodes a value, so its
replay depends on nothing but the plan that travels with the run. A run that must fail raises an application failure;
any other exception is our bug. A change here needs recorded histories of the version before (tests/replay).
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NoReturn

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from moose_lib.engine import wire
from moose_lib.engine.failures import FailureDetail, TaskFailure, read_failure, run_failure
from moose_lib.engine.frontier import Resumed, begin_outputs, freeze, fresh, restart, thaw
from moose_lib.engine.hooks import Hooks
from moose_lib.engine.inbox import GiveUp, Inbox, SkipTask
from moose_lib.engine.packing import as_arguments, inline_size
from moose_lib.engine.scheduling import start_activity, start_task
from moose_lib.engine.slot import scheduled_time
from moose_lib.engine.starting import run_retry_policy
from moose_lib.engine.summaries import failed_details, held_details, run_details
from moose_lib.engine.window import Window
from moose_lib.plan.model import Plan, ValueRef
from moose_lib.plan.result import combine

#: The server refuses more than 4 MiB of new tasks at a time; what is over this travels by reference.
_MAX_STARTED_BYTES: Final = 1024 * 1024

_PLAN_TIMEOUT: Final = timedelta(minutes=1)


@workflow.defn(dynamic=True, sandboxed=False)
class Interpreter:
    """Runs any plan; the workflow type is the workflow's name."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        #: The plan of the run, once it is known; for those who watch it.
        self.plan: Plan | None = None

    @workflow.signal(dynamic=True)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Take what somebody decides about the run."""
        self._inbox.deliver(name, args, _step())

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> RawValue:
        """Run the plan in the second argument, or the one that a worker knows under this name; answer its result."""
        envelope = wire.read_envelope(args[1].payload.data) if len(args) > 1 else None
        if envelope is None:
            run_input = _foreign_input(args)
            envelope = wire.Envelope(plan=await _plan_of_worker(run_input))
            workflow.set_current_details(run_details(envelope.plan))
        else:
            run_input = args[0]
        self.plan = envelope.plan
        return await _Life(envelope, run_input, _resumed(envelope, args), self._inbox).run()


class _Life:
    """A run, or one life of a long one, from its first task to its result."""

    def __init__(self, envelope: wire.Envelope, run_input: RawValue, resumed: Resumed, inbox: Inbox) -> None:
        self._plan = envelope.plan
        self._is_resumed = envelope.is_resumed
        self._begin = envelope.frontier.begin if envelope.is_resumed and envelope.frontier is not None else None
        self._pinned = begin_outputs(envelope.plan, self._begin) if self._begin else frozenset[str]()
        self._input = run_input
        self._progress = resumed.progress
        self._outputs = dict(resumed.outputs)
        self._failure = resumed.failure
        self._parked = dict(resumed.parked)
        self._is_given_up = resumed.is_given_up
        self._reason = resumed.reason
        self._startable = deque[str]()
        self._handles: dict[str, workflow.ActivityHandle[RawValue]] = {}
        self._ended = deque[str]()
        self._inbox = inbox
        inbox.inherit(is_paused=resumed.is_paused)
        self._news = inbox.news
        self._window = Window()
        self._told = (False, tuple[str, ...]())
        self._readers = _count_readers(self._plan, self._pinned)
        info = workflow.info()
        self._scheduled_time = scheduled_time(self._plan.workflow, info.workflow_id, info.typed_search_attributes)
        first = info.first_execution_run_id
        self._origin = envelope.origin or (None if first == info.run_id else first)

    async def run(self) -> RawValue:
        """The result of the run."""
        self._startable.extend(self._progress.start())
        try:
            await self._work()
        except asyncio.CancelledError:
            await self._cancel()
            raise
        if not self._progress.is_finished:
            self._continue_as_new()
        hooks = Hooks(self._plan, self._scheduled_time, self._origin)
        if self._progress.failed:
            workflow.set_current_details(failed_details(workflow.info().run_id, self._progress.failed))
            await hooks.failed(self._first_failure(), self._progress.failed)
            self._fail()
        result = self._result()
        await hooks.succeeded(result)
        return result

    async def _work(self) -> None:
        """Until everything is over, or until everything that runs is over and the history is long enough."""
        while True:
            self._take_in()
            self._decide()
            self._tell()
            is_long = workflow.info().is_continue_as_new_suggested()
            if not is_long and not self._inbox.is_paused:
                self._start_all()
            if not self._handles and (is_long or not self._is_held):
                return
            await self._news.wait()

    def _tell(self) -> None:
        """Let Temporal's UI show what the run waits for; this is no part of its history."""
        held = (self._inbox.is_paused, tuple(self._parked))
        if held != self._told:
            self._told = held
            details = held_details(workflow.info().workflow_id, parked=held[1], is_paused=held[0])
            workflow.set_current_details(details)

    @property
    def _is_held(self) -> bool:
        """The run waits for people: it is paused though something could start, or a task is parked."""
        return bool(self._startable or self._progress.parked)

    def _decide(self) -> None:
        """Do what people decided about parked tasks; a decision about any other task came at another time."""
        for decision in self._inbox.take(_step()):
            if isinstance(decision, GiveUp):
                self._give_up(decision)
            elif decision.task in self._progress.parked:
                self._parked.pop(decision.task)
                if isinstance(decision, SkipTask):
                    self._complete_task(decision.task, decision.output)
                else:
                    self._startable.extend(self._progress.retry(decision.task))

    def _give_up(self, decision: GiveUp) -> None:
        if self._progress.parked:
            self._is_given_up, self._reason = True, decision.reason
        for name in self._progress.parked:
            self._fail_task(name, self._parked.pop(name))

    def _start_all(self) -> None:
        """Start what may start, together, in a portion that the server accepts."""
        room = _MAX_STARTED_BYTES
        while self._startable and len(self._handles) < self._window.size:
            room -= self._start(self._startable.popleft(), room)

    def _start(self, name: str, room: int) -> int:
        """Start a task; answers how much of the `room` its values take."""
        task = self._plan.task(name)
        values, is_packed = as_arguments([self._value(value) for value in task.source.values])
        size = sum(map(inline_size, values))
        if size > room:
            values = [wire.by_reference(value) for value in values]
        call = wire.call_of(task, is_packed=is_packed, scheduled_time=self._scheduled_time, origin=self._origin)
        handle = start_task(self._plan.workflow, task, [wire.encode(call, is_terse=True), *values])
        self._handles[name] = handle
        handle.add_done_callback(functools.partial(self._on_end, name))
        return size if size <= room else 0

    def _on_end(self, name: str, _: object) -> None:
        self._ended.append(name)
        self._news.set()

    def _take_in(self) -> None:
        """Note what has ended, in the order in which it ended."""
        self._news.clear()
        while self._ended:
            name = self._ended.popleft()
            handle = self._handles.pop(name)
            try:
                output = handle.result()
            except ActivityError as error:
                if self._plan.task(name).on_failure == "park":
                    self._progress.park(name)
                    self._parked[name] = error
                else:
                    self._fail_task(name, error)
            else:
                self._window.ended(inline_size(output))
                self._complete_task(name, output)

    def _complete_task(self, name: str, output: RawValue) -> None:
        self._outputs[name] = output
        self._startable.extend(self._progress.complete(name))
        self._forget_values(name)

    def _fail_task(self, name: str, error: BaseException | None) -> None:
        self._failure = self._failure or error
        self._progress.fail(name)
        self._forget_values(name)

    async def _cancel(self) -> None:
        """Cancel what runs and wait for it: the run is canceled only when every `on_cancel` has ended."""
        for handle in self._handles.values():
            handle.cancel()
        while self._handles:
            try:
                await self._news.wait()
            except asyncio.CancelledError:  # asked once more
                continue
            self._news.clear()
            while self._ended:
                _ignore(self._handles.pop(self._ended.popleft()))

    def _value(self, value: ValueRef) -> RawValue:
        return self._input if value.task is None else self._outputs[value.task]

    def _forget_values(self, reader: str) -> None:
        """Drop the outputs that `reader` was the last one to read; a wide run would keep them all in memory."""
        for value in self._plan.task(reader).source.values:
            if value.task is not None:
                self._readers[value.task] -= 1
                if self._readers[value.task] == 0:
                    self._outputs.pop(value.task, None)

    def _result(self) -> RawValue:
        last = self._plan.last_tasks
        if len(last) == 1:
            return self._outputs[last[0]]
        return wire.json_value(combine(self._plan, {name: self._outputs[name].payload.data for name in last}))

    def _fail(self) -> NoReturn:
        first = self._first_failure()
        raise run_failure(self._progress.failed, first, type=wire.TASK_FAILED, reason=self._reason) from self._failure

    def _first_failure(self) -> FailureDetail:
        if self._failure is None:
            return FailureDetail(class_name="Unknown", message="")
        name = self._failure.activity_id if isinstance(self._failure, ActivityError) else None
        found = read_failure(self._failure, self._plan.find(name or ""))
        return found.model_copy(update={"is_retryable": False}) if self._is_given_up else found

    def _continue_as_new(self) -> NoReturn:
        """Go on in a new history. The retries of the run that are left go with it, and its timeout goes on."""
        info = workflow.info()
        frontier, outputs = freeze(
            Resumed(
                progress=self._progress,
                outputs=self._outputs,
                failure=self._failure,
                parked=self._parked,
                is_paused=self._inbox.is_paused,
                is_given_up=self._is_given_up,
                reason=self._reason,
                begin=self._begin,
                pinned=self._pinned,
            )
        )
        envelope = wire.Envelope(plan=self._plan, frontier=frontier, is_resumed=self._is_resumed, origin=self._origin)
        allowed = 0 if info.retry_policy is None else info.retry_policy.maximum_attempts
        left = None if allowed == 0 else run_retry_policy(allowed - info.attempt + 1)  # None: the same as now
        workflow.continue_as_new(args=[self._input, wire.encode(envelope, is_terse=True), outputs], retry_policy=left)


def _step() -> int:
    """Which of the run's steps this is: all that is new arrives together, with the length of the history then."""
    return workflow.info().get_current_history_length()


def _ignore(handle: workflow.ActivityHandle[RawValue]) -> None:
    """Look at how it ended, or asyncio would report that nobody did."""
    if not handle.cancelled():
        handle.exception()


def _count_readers(plan: Plan, pinned: frozenset[str]) -> dict[str, int]:
    """How many tasks, the result, and a retry of a resumed run, will read each output."""
    readers = {task.name: 0 for task in plan.tasks}
    for task in plan.tasks:
        for value in task.source.values:
            if value.task is not None:
                readers[value.task] += 1
    for name in (*plan.last_tasks, *pinned):
        readers[name] += 1
    return readers


def _resumed(envelope: wire.Envelope, args: Sequence[RawValue]) -> Resumed:
    """Where the run goes on. Its retry starts from the beginning, also when what failed was a continuation.

    The beginning of a resumed run is what it kept.
    """
    is_retry = workflow.info().attempt > 1
    if envelope.frontier is None or (is_retry and not envelope.is_resumed):
        return fresh(envelope.plan)
    if is_retry:
        return restart(envelope.plan, envelope.frontier, args[2])
    return thaw(envelope.plan, envelope.frontier, args[2], workflow.payload_converter())


def _foreign_input(args: Sequence[RawValue]) -> RawValue:
    """The input of a run that was started without a plan."""
    if len(args) > 1:
        raise _refusal(f"a run takes one argument, its input as JSON; it was started with {len(args)}")
    data = wire.json_of(args[0]) if args else b"null"
    if data is None:
        encoding = args[0].payload.metadata.get("encoding", b"").decode(errors="replace")
        raise _refusal(f"the input of a run is JSON; this one is {encoding or 'a payload without an encoding'}")
    return wire.json_value(data)


async def _plan_of_worker(run_input: RawValue) -> Plan:
    handle = start_activity(
        wire.PLAN_ACTIVITY,
        [run_input],
        name=wire.PLAN_ACTIVITY_ID,
        summary="the plan, from the code of now",
        timeout=_PLAN_TIMEOUT,
    )
    try:
        answer = await handle
    except ActivityError as error:
        if isinstance(error.cause, CancelledError):
            raise
        detail = read_failure(error)
        kind = error.cause.type if isinstance(error.cause, ApplicationError) else None
        raise TaskFailure(detail.message, detail, type=kind or wire.INVALID_START, is_last=True) from error
    envelope = wire.read_envelope(answer.payload.data)
    if envelope is None:
        raise _refusal("the worker's answer is not a plan; it runs another version")
    return envelope.plan


def _refusal(message: str) -> TaskFailure:
    detail = FailureDetail(class_name=wire.INVALID_START, message=message, kind="input", is_retryable=False)
    return TaskFailure(message, detail, type=wire.INVALID_START, is_last=True)
