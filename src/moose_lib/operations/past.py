"""What became of a run, with its values: what a resume, an explanation and a trial of one task go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from temporalio.client import Client

from moose_lib.engine import wire
from moose_lib.errors import RunNotFound
from moose_lib.operations.events import Decided, Outcome, Planned, RunBegan, RunEvent, TaskEnded, TaskQueued
from moose_lib.operations.following import run_status
from moose_lib.operations.listing import quoted
from moose_lib.operations.records import Decision, RunStatus, RunSummary
from moose_lib.plan.model import Plan

__all__ = ["PastRun", "find_successor", "read_past", "with_successor"]


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """What became of a run: its status, its plan, its input and the outputs of its completed tasks, as JSON.

    `origin` is the run id with which its work began: that of the first of the runs that resume one another.
    """

    status: RunStatus
    task_queue: str
    origin: str
    plan: Plan | None
    input: bytes | None
    outputs: Mapping[str, bytes] = field(repr=False)


async def read_past(client: Client, run: RunSummary) -> PastRun:
    """Fetch what became of a run, along all its lives, and whether it was resumed already."""
    status, values = await _read(client, run.workflow_id, run.run_id)
    outputs = {**await _kept_before(client, status, values.outputs), **values.outputs}
    status = await with_successor(client, status)
    origin = values.origin or status.first_run_id
    return PastRun(
        status=status,
        task_queue=run.task_queue,
        origin=origin,
        plan=values.plan,
        input=values.input,
        outputs=outputs,
    )


async def _read(client: Client, workflow_id: str, run_id: str) -> tuple[RunStatus, _Values]:
    values = _Values()
    return await run_status(client, workflow_id, run_id, on_event=values.apply), values


async def _kept_before(client: Client, status: RunStatus, outputs: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return outputs that a resumed run kept but did not need itself; the runs before it have them."""
    missing = {task.name for task in status.tasks if task.is_kept} - outputs.keys()
    found, earlier = dict[str, bytes](), status.resumed_from
    while missing and earlier is not None:
        try:
            past, values = await _read(client, status.workflow_id, earlier)
        except RunNotFound:  # past the server's retention
            break
        found |= {name: values.outputs[name] for name in missing & values.outputs.keys()}
        missing &= {task.name for task in past.tasks if task.is_kept} - found.keys()
        earlier = past.resumed_from
    return found


class _Values:
    """Collects the plan, the input and the outputs of a run from its events."""

    def __init__(self) -> None:
        self.origin: str | None = None
        self.plan: Plan | None = None
        self.input: bytes | None = None
        self.outputs = dict[str, bytes]()
        self._tasks = dict[int, str]()
        self._completed = set[str]()

    def apply(self, event: RunEvent) -> None:
        match event:
            case RunBegan():
                self.outputs = {**(self.outputs if event.is_continued else {}), **event.outputs}
                self._completed = {*(self._completed if event.is_continued else ()), *event.completed}
                self.input = event.input
                self.origin = event.origin
                self.plan = event.plan or self.plan
                self._tasks.clear()
            case Planned():
                self.plan = event.plan
            case TaskQueued():
                self._tasks[event.key] = event.task
                self.outputs.pop(event.task, None)
                self._completed.discard(event.task)
            case TaskEnded(outcome=Outcome.COMPLETED):
                self._add(self._tasks[event.key], event.output)
            case Decided(decision=Decision.SKIP) if event.task is not None and event.task not in self._completed:
                self._add(event.task, event.output)
            case _:
                pass

    def _add(self, task: str, output: bytes | None) -> None:
        self._completed.add(task)
        if output is not None:
            self.outputs[task] = output


async def with_successor(client: Client, status: RunStatus) -> RunStatus:
    """Add which run resumed this one, if it has ended and one did."""
    if status.is_open:
        return status
    return replace(status, resumed_as=await find_successor(client, status.workflow_id, status.run_id))


async def find_successor(client: Client, workflow_id: str, run_id: str) -> str | None:
    """Return the run id of the run that resumed this one, the newest if there are several."""
    latest = await client.get_workflow_handle(workflow_id).describe()  # lists lag behind, this does not
    if (await latest.memo()).get(wire.MEMO_RESUMED_FROM) == run_id:
        return latest.run_id
    newest, found = None, None
    async for execution in client.list_workflows(f"WorkflowId = {quoted(workflow_id)}"):
        memo = await execution.memo()
        is_later = newest is None or execution.start_time > newest
        if memo.get(wire.MEMO_RESUMED_FROM) == run_id and is_later:
            newest, found = execution.start_time, execution.run_id
    return found
