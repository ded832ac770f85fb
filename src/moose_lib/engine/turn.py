"""One turn of a worker at a task: what it was handed, how far its limits have run, and what it answers on failure."""

from __future__ import annotations

import time
from datetime import timedelta

from temporalio import activity

from moose_lib import calling
from moose_lib.dmv2.deliveries import Deliveries
from moose_lib.durations import format_duration
from moose_lib.engine import wire
from moose_lib.engine.attempts import read_attempts
from moose_lib.engine.failures import TaskFailure, failure_of
from moose_lib.errors import QueueTimedOut, TaskTimedOut, TotalTimedOut
from moose_lib.plan.retrying import TimeLimit, time_limit


class Turn:
    """A call as this worker was handed it. Make it at once: its clock begins then.

    How long the task has been waiting is told by the server, and what passes here is measured here, so that a worker
    whose clock is wrong is no harm.
    """

    def __init__(self, call: wire.Call) -> None:
        info = activity.info()
        self.call = call
        self.attempts = read_attempts(info.attempt, info.heartbeat_details)
        self._seed = f"{info.workflow_run_id}/{call.task}"
        self._waited = info.started_time - info.scheduled_time
        self._begun = time.monotonic()

    @property
    def elapsed(self) -> timedelta:
        """The time since the task was first scheduled."""
        return self._waited + timedelta(seconds=time.monotonic() - self._begun)

    def limit(self) -> TimeLimit | None:
        """What is left for this attempt."""
        return time_limit(self.call, attempt=self.attempts.number, elapsed=self.elapsed)

    def overdue(self) -> TaskTimedOut | TotalTimedOut | QueueTimedOut | None:
        """The limit that is over while workers that do not know the task hand it on."""
        limit, queue = self.limit(), self.call.queue_timeout
        if limit is not None and limit.time <= timedelta():
            return limit.error
        if queue is not None and self.attempts.is_untried and self.elapsed >= queue:
            return QueueTimedOut(format_duration(queue))
        return None

    def refusal(self, error: BaseException) -> TaskFailure:
        """What Temporal is told of a task whose limit is over before an attempt began: that uses none up."""
        used = self.attempts.notes.used
        if isinstance(error, TotalTimedOut):
            error = TotalTimedOut(format_duration(self.call.total_timeout), attempts=used)
        activity.heartbeat(self.attempts.notes.model_dump())
        verdict = calling.judge(error, self.call, calling.Tried(attempts=used, elapsed=self.elapsed, seed=self._seed))
        return failure_of(verdict, task=self.call.task, attempt=used)

    def failure(
        self,
        error: BaseException,
        no_retry_for: calling.NoRetryFor = (),
        deliveries: Deliveries | None = None,
    ) -> TaskFailure:
        """What Temporal is told about an attempt that ended with `error`, and when it is to hand the task out again.

        `deliveries` has the records that are in the store all the same.
        """
        number = self.attempts.number
        tried = calling.Tried(attempts=number, elapsed=self.elapsed, seed=self._seed)
        verdict = calling.judge(error, self.call, tried, no_retry_for)
        notes = self.attempts.when_postponed if verdict.is_postponed else self.attempts.when_used
        activity.heartbeat(notes.model_dump())
        return failure_of(verdict, task=self.call.task, attempt=number, deliveries=deliveries)
