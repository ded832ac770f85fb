"""A run in this process: obeys `plan.progress` as the Temporal interpreter does, on a clock that jumps."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from moose_lib import calling
from moose_lib.dmv2.deliveries import Deliveries
from moose_lib.dmv2.outcome import OutcomeError, RunOutcome
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.durations import format_duration
from moose_lib.errors import RunTimedOut
from moose_lib.logs.attribution import current_run
from moose_lib.plan.model import Plan, PlannedTask
from moose_lib.plan.progress import Progress, TaskState
from moose_lib.plan.result import combine, outcome_json
from moose_lib.plan.retrying import Retrying, TimeLimit, delay_after, time_limit
from moose_lib.testing.attempt import Assignment, RunningAttempt
from moose_lib.testing.clock import VirtualLoop
from moose_lib.testing.decisions import Desk, Fail, Retry
from moose_lib.testing.describing import describe, printable
from moose_lib.testing.fakes import Cast
from moose_lib.testing.logs import LocalLogs, capturing
from moose_lib.testing.records import Attempt, LocalRun, RunError, RunState, TaskRun
from moose_lib.testing.threads import Outcome

#: A task that was called so often will not end: on Temporal it would be waited for, here it fails.
_MOST_CALLS = 10_000


class _Signal(Enum):
    """What can happen to a run besides the end of one of its tasks."""

    CANCEL = auto()
    TIMEOUT = auto()
    RESUME = auto()


@dataclass(frozen=True)
class _TaskEnded:
    """`is_retryable`: another start of the run may help."""

    task: str
    outcome: Outcome
    is_retryable: bool = True


_Events = asyncio.Queue[_TaskEnded | _Signal]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is to be run: the tasks of `cast` as `plan` says; `data` is the JSON of the run's input."""

    plan: Plan
    cast: Cast
    data: bytes
    desk: Desk
    cancel_at: timedelta | None
    scheduled_time: datetime | None = None


async def perform(setup: Setup, loop: VirtualLoop) -> LocalRun:
    """Run to the end, with the workflow's retries."""
    workflow_id = f"{setup.plan.workflow}-{uuid.uuid4().hex[:16]}"
    with capturing() as logs:
        return await _perform(_Run(setup=setup, loop=loop, workflow_id=workflow_id, begun=loop.time(), logs=logs))


async def _perform(run: _Run) -> LocalRun:
    setup, loop = run.setup, run.loop
    for moment, signal in ((setup.cancel_at, _Signal.CANCEL), (setup.plan.timeout, _Signal.TIMEOUT)):
        if moment is not None:
            loop.call_at(run.begun + moment.total_seconds(), run.events.put_nowait, signal)
    starts = 0
    while True:
        starts += 1
        start = _Start(run, starts)
        state = await start.run()
        delay = delay_after(Retrying(), starts)
        is_over = starts > setup.plan.retries or not start.is_worth_retrying or not run.has_time_for(delay)
        if state is not RunState.FAILED or is_over:
            return start.record(await start.run_hook(state))
        loop.call_later(delay.total_seconds(), run.events.put_nowait, _Signal.RESUME)
        event = await run.events.get()
        if event is not _Signal.RESUME:
            return start.record(start.interrupted_by(event))


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What all starts of a run share; `begun` is in the loop's time."""

    setup: Setup
    loop: VirtualLoop
    workflow_id: str
    begun: float
    logs: LocalLogs
    events: _Events = field(default_factory=_Events)

    @property
    def age(self) -> timedelta:
        return timedelta(seconds=self.loop.time() - self.begun)

    def has_time_for(self, delay: timedelta) -> bool:
        """Whether the run is not over by then. As on Temporal, what could not be tried again in time fails now."""
        timeout = self.setup.plan.timeout
        return timeout is None or self.age + delay < timeout


@dataclass
class _Log:
    """What a start has done so far."""

    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    outputs: dict[str, bytes] = field(default_factory=dict)
    error: RunError | None = None
    is_retryable: bool = False
    hooks: dict[str, TaskState] = field(default_factory=dict)
    told: bytes = b""


class _Start:
    """One start of the run: from the first task to the point where nothing runs any more."""

    def __init__(self, run: _Run, number: int) -> None:
        self._run = run
        self._plan = run.setup.plan
        self._number = number
        self._progress = Progress(self._plan)
        self._log = _Log()
        self._answers = run.setup.desk.answers()
        self._calls: dict[str, int] = {}
        self._working: dict[str, asyncio.Task[None]] = {}
        self._runs_on_cancel = False

    @property
    def _run_id(self) -> str:
        return f"{self._run.workflow_id}/{self._number}"

    @property
    def is_worth_retrying(self) -> bool:
        """The run failed for a reason that may be gone the next time."""
        return self._log.is_retryable

    async def run(self) -> RunState:
        """Start what `Progress` says, tell it what has ended."""
        try:
            self._begin(self._progress.start())
            while not self._progress.is_finished:
                if not self._working and self._run.setup.cancel_at is None:
                    return RunState.PARKED
                event = await self._run.events.get()
                if not isinstance(event, _TaskEnded):
                    state = self.interrupted_by(event)
                    await self._stop_all()
                    return state
                self._take(event)
        finally:
            for work in self._working.values():  # nothing is left unless the run itself was interrupted
                work.cancel()
        return RunState.FAILED if self._progress.failed else RunState.COMPLETED

    async def run_hook(self, state: RunState) -> RunState:
        """What runs after the run, which it does not change: only the run's own time may still end."""
        planned = {RunState.COMPLETED: self._plan.on_success, RunState.FAILED: self._plan.on_failure}.get(state)
        if planned is None:
            return state
        self._log.told = self._outcome(state)
        self._log.hooks[planned.name] = TaskState.CANCELED
        self._begin((planned.name,))
        event = await self._run.events.get()
        if isinstance(event, _TaskEnded):
            self._working.clear()
            is_done = event.outcome.error is None
            self._log.hooks[planned.name] = TaskState.COMPLETED if is_done else TaskState.FAILED
            return state
        self._runs_on_cancel = event is _Signal.CANCEL
        await self._stop_all()
        return self.interrupted_by(event) if event is _Signal.TIMEOUT else state

    def _outcome(self, state: RunState) -> bytes:
        """What the hook is told, in JSON."""
        failed = self._log.error
        error = (
            None
            if failed is None
            else OutcomeError(
                task=failed.task,
                class_name=failed.class_name,
                message=printable(failed.message),
                traceback=printable(failed.traceback),
                attempts=self._log.attempts[failed.task or ""][-1].number,
            )
        )
        outcome = RunOutcome(
            workflow=self._plan.workflow,
            workflow_id=self._run.workflow_id,
            run_id=self._run_id,
            status="failed" if failed is not None else "completed",
            error=error,
        )
        return outcome_json(outcome, combine(self._plan, self._log.outputs) if state is RunState.COMPLETED else None)

    def interrupted_by(self, event: _TaskEnded | _Signal) -> RunState:
        """Nothing more starts: the run was canceled, or its time is over."""
        self._progress.cancel()
        self._runs_on_cancel = event is _Signal.CANCEL
        if event is _Signal.CANCEL:
            self._log.error = None
            return RunState.CANCELED
        self._log.error = describe(RunTimedOut(format_duration(self._plan.timeout)), task=None)
        return RunState.TIMED_OUT

    def record(self, state: RunState) -> LocalRun:
        """What is left behind for the user."""
        is_completed = state is RunState.COMPLETED
        return LocalRun(
            workflow=self._plan.workflow,
            workflow_id=self._run.workflow_id,
            state=state,
            result_json=combine(self._plan, self._log.outputs) if is_completed else None,
            error=self._log.error,
            tasks=tuple(self._task_run(task.name) for task in self._plan.tasks),
            hooks=tuple(self._task_run(name) for name in self._log.hooks),
            executed=tuple(name for name in self._log.attempts if name not in self._log.hooks),
            last_tasks=self._plan.last_tasks,
            duration=self._run.age,
            starts=self._number,
        )

    def _task_run(self, name: str) -> TaskRun:
        attempts = tuple(self._log.attempts.get(name, ()))
        state = self._log.hooks[name] if name in self._log.hooks else self._progress.state(name)
        if state is TaskState.CANCELED and not attempts:
            state = TaskState.SKIPPED  # as the status of a run calls a task that never started
        return TaskRun(
            name=name,
            state=state,
            attempts=attempts,
            output_json=self._log.outputs.get(name) if state is TaskState.COMPLETED else None,
            output_type=self._run.setup.cast.task(name).output_type,
        )

    def _begin(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._working[name] = self._run.loop.create_task(self._perform(name), name=name)

    def _take(self, event: _TaskEnded) -> None:
        del self._working[event.task]
        if event.outcome.error is None:
            assert isinstance(event.outcome.value, bytes), "an attempt ends with its encoded output"
            self._log.outputs[event.task] = event.outcome.value
            self._begin(self._progress.complete(event.task))
            return
        if self._plan.task(event.task).on_failure == "park":
            self._progress.park(event.task)
            self._decide(event.task)
        else:
            self._fail(event.task, is_retryable=event.is_retryable)

    def _fail(self, name: str, *, is_retryable: bool) -> None:
        self._progress.fail(name)
        if self._log.error is None:
            self._log.error = self._log.attempts[name][-1].error
            self._log.is_retryable = is_retryable

    def _decide(self, name: str) -> None:
        """Do what is to be done about a task that has just parked, if somebody said so."""
        if not self._answers.get(name):
            return
        answer = self._answers[name].popleft()
        if isinstance(answer.decision, Fail):
            for parked in self._progress.parked:
                self._fail(parked, is_retryable=False)
            self._log.is_retryable = False
        elif isinstance(answer.decision, Retry):
            del self._log.attempts[name]
            self._begin(self._progress.retry(name))
        else:
            self._log.outputs[name] = answer.output
            self._begin(self._progress.complete(name))

    async def _stop_all(self) -> None:
        """Cancel what runs and wait for it to unwind, as long as `on_cancel` takes."""
        for work in self._working.values():
            work.cancel()
        if self._working:
            await asyncio.wait(self._working.values())
        self._working.clear()

    async def _perform(self, name: str) -> None:
        """All attempts of one task."""
        planned = self._plan.find(name)
        assert planned is not None, "a task of the plan, or one of its hooks"
        performance = _Performance(self._run, planned, calls=self._calls.get(name, 0) + 1)
        while True:
            self._calls[name] = performance.calls
            outcome, verdict = await self._attempt(performance)
            if verdict is None or verdict.delay is None or not self._run.has_time_for(verdict.delay):
                break
            if not performance.goes_on_after(verdict):
                break
            await asyncio.sleep(verdict.delay.total_seconds())
        is_retryable = verdict is None or verdict.is_retryable
        self._run.events.put_nowait(_TaskEnded(name, outcome, is_retryable))

    async def _attempt(self, performance: _Performance) -> tuple[Outcome, calling.Verdict | None]:
        """One attempt, and what follows if it failed."""
        planned, number = performance.planned, performance.attempt
        name = planned.name
        log = self._log.attempts.setdefault(name, [])
        started = self._run.age
        injected = self._run.setup.cast.injected(name, performance.calls)
        assignment = self._assignment(performance)
        current_run.set(assignment.run)
        running = RunningAttempt(self._run.loop, assignment, injected)
        error, verdict = None, None
        try:
            outcome = await running.run()
            if outcome.error is not None:
                verdict = performance.judge(outcome.error, self._run.setup.cast.task(name).config.no_retry_for)
                error = describe(verdict.error, task=name)
        except asyncio.CancelledError:
            if self._runs_on_cancel:
                await running.clean_up()
            raise
        finally:
            assignment.run.deliveries.end()
            age, logs = self._run.age, self._run.logs.of_ended(assignment.run)
            log.append(Attempt(number=number, started=started, duration=age - started, error=error, logs=logs))
        return outcome, verdict

    def _assignment(self, performance: _Performance) -> Assignment:
        planned = performance.planned
        data, outputs = self._run.setup.data, self._log.outputs
        values = [data if ref.task is None else outputs[ref.task] for ref in planned.source.values]
        return Assignment(
            task=self._run.setup.cast.task(planned.name),
            source=planned.source,
            values=[self._log.told] if planned.source.kind == "outcome" else values,
            run=RunInfo(
                workflow=self._plan.workflow,
                workflow_id=self._run.workflow_id,
                run_id=self._run_id,
                task=planned.name,
                attempt=performance.attempt,
                scheduled_time=self._run.setup.scheduled_time,
                deliveries=Deliveries(self._run.workflow_id),
            ),
            limit=performance.limit,
        )


class _Performance:
    """All attempts of one task of a start, or those after it was parked: how many, and when the first was due.

    `calls` counts on where a task that was parked is retried.
    """

    def __init__(self, run: _Run, planned: PlannedTask, calls: int) -> None:
        self.planned = planned
        self.attempt = 1
        self.calls = calls
        self._run = run
        self._since = run.age

    @property
    def limit(self) -> TimeLimit | None:
        """What is left for this attempt."""
        return time_limit(self.planned, attempt=self.attempt, elapsed=self._run.age - self._since)

    def judge(self, error: BaseException, no_retry_for: calling.NoRetryFor) -> calling.Verdict:
        """What follows an attempt that ended with `error`."""
        seed = f"{self._run.workflow_id}/{self.planned.name}"
        tried = calling.Tried(attempts=self.attempt, elapsed=self._run.age - self._since, seed=seed)
        return calling.judge(error, self.planned, tried, no_retry_for)

    def goes_on_after(self, verdict: calling.Verdict) -> bool:
        """Count the attempt; no task may ask to be run again for ever, as no time passes here."""
        self.calls += 1
        self.attempt += not verdict.is_postponed
        return self.calls <= _MOST_CALLS
