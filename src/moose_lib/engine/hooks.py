"""The hooks of a run: a task that runs when all others have ended, and is told what came of them.

What becomes of a hook changes nothing about the run, so neither its failure nor a cancellation that reaches the run
while the hook runs is passed on. Runs that are canceled, terminated or out of time have none.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from temporalio import workflow
from temporalio.common import RawValue

from moose_lib.dmv2.outcome import OutcomeError, RunOutcome
from moose_lib.engine import wire
from moose_lib.engine.failures import FailureDetail
from moose_lib.engine.scheduling import start_task
from moose_lib.plan.model import Plan, PlannedTask
from moose_lib.plan.result import outcome_json
from moose_lib.plan.retrying import Retrying, delay_after

#: How a failed run starts again, see `run_retry_policy`.
_STARTS_AGAIN: Final = Retrying()


class Hooks:
    """What runs after a run of `plan`."""

    def __init__(self, plan: Plan, scheduled_time: datetime | None, origin: str | None) -> None:
        self._plan = plan
        self._scheduled_time = scheduled_time
        self._origin = origin

    async def succeeded(self, result: RawValue) -> None:
        """Run `on_success`, if there is one."""
        if self._plan.on_success is not None:
            info = workflow.info()
            outcome = RunOutcome(
                workflow=self._plan.workflow, workflow_id=info.workflow_id, run_id=info.run_id, status="completed"
            )
            await self._run(self._plan.on_success, outcome_json(outcome, result.payload.data))

    async def failed(self, first: FailureDetail, tasks: tuple[str, ...]) -> None:
        """Run `on_failure`, if there is one and the run does not start again."""
        if self._plan.on_failure is None or _starts_again(first):
            return
        info = workflow.info()
        error = OutcomeError(
            task=tasks[0] if first.task is None else first.task,
            class_name=first.class_name,
            message=first.message,
            traceback=first.traceback,
            attempts=first.attempt,
        )
        outcome = RunOutcome(
            workflow=self._plan.workflow,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            status="failed",
            error=error,
        )
        await self._run(self._plan.on_failure, outcome_json(outcome, None))

    async def _run(self, hook: PlannedTask, outcome: bytes) -> None:
        call = wire.call_of(hook, is_packed=False, scheduled_time=self._scheduled_time, origin=self._origin)
        values = [wire.json_value(outcome)] if hook.source.kind == "outcome" else []
        handle = start_task(self._plan.workflow, hook, [wire.encode(call, is_terse=True), *values])
        ended = asyncio.Event()
        handle.add_done_callback(lambda _: ended.set())
        while not handle.done():
            try:
                await ended.wait()
            except asyncio.CancelledError:  # meant for the run, which is over: all that can be stopped is the hook
                handle.cancel()
        if not handle.cancelled():
            handle.exception()  # looked at, or asyncio would report that nobody did


def _starts_again(first: FailureDetail) -> bool:
    """Whether the server starts the run once more. It does not where the run's time would be over by then.

    How much of that the earlier starts took is not known here, so that for a later start the answer may be wrong.
    """
    info = workflow.info()
    policy = info.retry_policy
    if policy is None or not first.is_retryable or 0 < policy.maximum_attempts <= info.attempt:
        return False
    due = workflow.now() - info.start_time + delay_after(_STARTS_AGAIN, info.attempt)
    return info.execution_timeout is None or due < info.execution_timeout
