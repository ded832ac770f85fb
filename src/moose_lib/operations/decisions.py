"""Steering open runs: pause them, and decide about their parked tasks.

All of it is Temporal's signals, which the server takes whether or not a worker is there.
"""

from __future__ import annotations

from temporalio.client import Client
from temporalio.common import RawValue

from moose_lib.engine import wire
from moose_lib.engine.payloads import check_size
from moose_lib.operations.following import run_status
from moose_lib.operations.lives import Handle, tell_run
from moose_lib.operations.records import RunStatus, RunSummary

__all__ = ["give_up_run", "pause_run", "retry_task", "skip_task", "unpause_run"]


async def pause_run(client: Client, run: RunSummary, note: str | None = None) -> RunStatus:
    """Let the run start no further tasks; running ones finish. Lasts until `unpause_run`, whatever is restarted.

    `note` says why, to whoever looks at the run meanwhile. Answers how it stood before.

    Raises:
        RunNotOpen: it has ended.
    """
    before = await run_status(client, run.workflow_id, run.run_id)
    args = [] if note is None else [wire.encode(wire.Order(reason=note))]
    await _signal(client, run, wire.SIGNAL_PAUSE, *args)
    return before


async def unpause_run(client: Client, run: RunSummary) -> RunStatus:
    """Let a paused run go on; answers how it stood before.

    Raises:
        RunNotOpen: it has ended.
    """
    before = await run_status(client, run.workflow_id, run.run_id)
    await _signal(client, run, wire.SIGNAL_UNPAUSE)
    return before


async def retry_task(client: Client, run: RunSummary, task: str) -> None:
    """Run a parked task again, with all its attempts and the workers' code of now. Nothing happens to any other task.

    Raises:
        RunNotOpen: the run has ended.
    """
    await _signal(client, run, wire.SIGNAL_RETRY, wire.encode(wire.Order(task=task)))


async def skip_task(client: Client, run: RunSummary, task: str, output: bytes) -> None:
    """Go on as if a parked task had completed with `output`, JSON that fits the task's output model.

    Raises:
        RunNotOpen: the run has ended.
        ValueTooLarge: the output is over the hard limit.
    """
    check_size(output, f"output of task {task!r}")
    await _signal(client, run, wire.SIGNAL_SKIP, wire.encode(wire.Order(task=task)), wire.json_value(output))


async def give_up_run(client: Client, run: RunSummary, reason: str | None = None) -> None:
    """Let all parked tasks fail, and so the run, once its other branches have finished.

    Raises:
        RunNotOpen: it has ended.
    """
    await _signal(client, run, wire.SIGNAL_FAIL, wire.encode(wire.Order(reason=reason)))


async def _signal(client: Client, run: RunSummary, name: str, *args: RawValue) -> None:
    async def tell(life: Handle) -> None:
        await life.signal(name, args=list(args))

    await tell_run(client, run, tell)
