"""What a run of a plan is started with: everybody who starts one, or schedules it, uses this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RawValue, RetryPolicy

from moose_lib.engine import wire
from moose_lib.engine.payloads import check_size
from moose_lib.engine.summaries import run_details, run_summary
from moose_lib.plan.model import Plan


@dataclass(frozen=True, kw_only=True)
class Begin:
    """Where a resumed run begins: the tasks it keeps, and the packed outputs that `frontier.outputs` names.

    `origin` is the run id with which the work began that it goes on with.
    """

    frontier: wire.Frontier
    outputs: RawValue
    origin: str


@dataclass(frozen=True, kw_only=True)
class StartArguments:
    """The arguments of Temporal's start that follow from a plan and an input.

    Example:
        start = start_arguments(plan, b'{"order_id": "7"}')
        await client.start_workflow(
            start.workflow, args=start.args, id=…, task_queue=…,
            execution_timeout=start.execution_timeout, retry_policy=start.retry_policy, memo=start.memo,
            static_summary=start.static_summary, static_details=start.static_details,
        )
    """

    workflow: str
    args: tuple[RawValue, ...]
    execution_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    memo: Mapping[str, str]
    static_summary: str
    static_details: str


def start_arguments(plan: Plan, run_input: bytes | None, begin: Begin | None = None) -> StartArguments:
    """How to start a run of `plan`; `run_input` is JSON, `None` for no input. One that is resumed has a `begin`.

    The plan's timeout covers the run with its retries and continuations.

    Raises:
        ValueTooLarge: the input is over the hard limit.
    """
    data = check_size(run_input, f"input of workflow {plan.workflow!r}") if run_input is not None else None
    envelope = wire.Envelope(plan=plan)
    if begin is not None:
        envelope = wire.Envelope(plan=plan, frontier=begin.frontier, is_resumed=True, origin=begin.origin)
    return StartArguments(
        workflow=plan.workflow,
        args=(
            wire.json_value(data),
            wire.encode(envelope, is_terse=True),
            *(() if begin is None else (begin.outputs,)),
        ),
        execution_timeout=plan.timeout,
        retry_policy=None if plan.retries == 0 else run_retry_policy(plan.retries + 1),
        memo={wire.MEMO_PLAN: plan.hash, wire.MEMO_WORKFLOW: plan.workflow},
        static_summary=run_summary(plan),
        static_details=run_details(plan),
    )


def run_retry_policy(attempts: int) -> RetryPolicy:
    """How a failed run is started again, `attempts` in all: after 1 s, 2 s, 4 s … at most 100 s."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=timedelta(seconds=100),
        maximum_attempts=attempts,
    )
