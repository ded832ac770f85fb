"""The person on call: decides about parked tasks of a run on Temporal as a local run is told to."""

from __future__ import annotations

import asyncio
from collections import deque

from temporalio.client import Client

from moose_lib.dmv2.workflow import Workflow
from moose_lib.operations.decisions import give_up_run, retry_task, skip_task
from moose_lib.operations.following import run_status
from moose_lib.operations.listing import find_run
from moose_lib.operations.records import RunStatus, StartedRun, TaskPhase
from moose_lib.plan.build import compile_workflow
from moose_lib.testing.decisions import Answer, Decisions, Desk, Fail, Retry

_GOING_ON = {TaskPhase.QUEUED, TaskPhase.RUNNING, TaskPhase.RETRYING, TaskPhase.UNKNOWN}


async def decide(client: Client, workflow: Workflow, started: StartedRun, decisions: Decisions) -> None:
    """Decide until the run has ended, or is parked with nothing left to decide."""
    left = Desk(workflow, compile_workflow(workflow), decisions).answers()
    sent = 0
    while True:
        status = await run_status(client, started.workflow_id, started.run_id)
        decided = [await _decide(client, status, task.name, left.get(task.name)) for task in status.parked]
        if not status.is_open or (is_stuck(status) and not any(decided)):
            return
        sent += sum(decided)
        await _until_told(client, started, sent)
        await asyncio.sleep(0.05)


async def _until_told(client: Client, started: StartedRun, sent: int) -> None:
    """Wait until the history has the decisions: while a worker is at the run, the server keeps them back."""
    handle = client.get_workflow_handle(started.workflow_id, run_id=started.run_id)
    while True:
        events = (await handle.fetch_history()).events
        if sum(event.HasField("workflow_execution_signaled_event_attributes") for event in events) >= sent:
            return
        await asyncio.sleep(0.05)


def is_stuck(status: RunStatus) -> bool:
    """Nothing happens any more unless somebody decides."""
    return bool(status.parked) and not any(task.state in _GOING_ON for task in status.tasks)


async def _decide(client: Client, status: RunStatus, task: str, left: deque[Answer] | None) -> bool:
    if not left:
        return False
    run, answer = await find_run(client, status.workflow_id), left.popleft()
    if isinstance(answer.decision, Retry):
        await retry_task(client, run, task)
    elif isinstance(answer.decision, Fail):
        await give_up_run(client, run)
    else:
        await skip_task(client, run, task, answer.output)
    return True
