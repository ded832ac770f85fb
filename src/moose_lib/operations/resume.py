"""Resuming a run that has ended: a new run of the same workflow id that keeps what is finished.

`prepare_resume` decides with the code of now what becomes of the past of a run (it touches no server), and `resume_run`
starts. The new run says in its memo which one it resumes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from moose_lib.dmv2.workflow import Workflow
from moose_lib.engine import wire
from moose_lib.engine.packing import pack
from moose_lib.engine.starting import Begin, StartArguments, start_arguments
from moose_lib.errors import InvalidInput, NotResumable, PlanChanged, RunAlreadyStarted, TaskNotFound
from moose_lib.operations.links import run_url
from moose_lib.operations.past import PastRun, find_successor
from moose_lib.operations.records import ResumedRun, RunState, RunStatus, TaskPhase, TaskStatus
from moose_lib.plan.model import Plan
from moose_lib.plan.resume import Decided, Past, Verdict, decide, needed_outputs
from moose_lib.values import read_run_input, read_value

__all__ = ["Resumption", "prepare_resume", "resume_run"]

_HASH_LENGTH = 12
_Begin: TypeAlias = Callable[[WorkflowIDReusePolicy], Awaitable[WorkflowHandle[Any, Any]]]  # Any: a run has any result


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """A resume that can be started: what happens to each task, and a `hash` that changes if code or run do."""

    past: PastRun
    plan: Plan
    decided: tuple[Decided, ...]
    hash: str

    @property
    def kept(self) -> tuple[str, ...]:
        """The tasks whose outputs are kept, in the order of the plan."""
        return tuple(each.task for each in self.decided if each.verdict is Verdict.KEPT)


def prepare_resume(
    past: PastRun, workflow: Workflow, plan: Plan, *, code: str, asked: Iterable[str] = (), expected: str | None = None
) -> Resumption:
    """Decide what a resumed run keeps. `code` identifies the code of now; `asked` are tasks to run again.

    Raises:
        NotResumable: the run is open or was resumed already, it completed and no task was asked for, or its input is
            no longer stored.
        TaskNotFound: a task that was asked for is not in the plan of now.
        InvalidInput: the run's input does not fit the starting task's model of now.
        PlanChanged: the decision has another hash than `expected`.
    """
    asked = tuple(asked)
    _refuse_unresumable(past.status, asked)
    for name in asked:
        if name not in plan.by_name:
            known = ", ".join(plan.by_name)
            whose = f"workflow {plan.workflow!r} of run {past.status.workflow_id!r}"
            raise TaskNotFound(f"{whose} has no task {name!r}", hint=f"its tasks are {known}")
    _check_input(past, workflow)
    decided = decide(past.plan, plan, _past_tasks(past, workflow), asked)
    found = _hash(past, plan, decided, code)
    if expected is not None and expected != found:
        raise PlanChanged(expected, found, hint=f"moose-cli workflow resume {past.status.run_id} --dry-run")
    return Resumption(past=past, plan=plan, decided=decided, hash=found)


def _refuse_unresumable(status: RunStatus, asked: tuple[str, ...]) -> None:
    identity = status.workflow_id
    if status.is_open and status.parked:
        name = status.parked[0].name
        raise NotResumable(
            f"run {identity!r} is open: task {name!r} is parked", hint=f"moose-cli workflow retry {identity} {name}"
        )
    if status.is_open and status.resumed_from is not None:  # perhaps by somebody else, a moment ago
        raise NotResumable(
            f"run {identity!r} was resumed already: run {status.run_id!r} is open",
            hint=f"moose-cli workflow status {status.run_id}",
        )
    if status.is_open:
        raise NotResumable(f"run {identity!r} is still open", hint=f"moose-cli workflow cancel {identity}")
    if status.resumed_as is not None:
        raise _resumed_already(status.run_id, status.resumed_as)
    if status.state is RunState.COMPLETED and not asked:
        raise NotResumable(
            f"run {identity!r} completed, so there is nothing to resume",
            hint=f"name the first task to run again: moose-cli workflow resume {status.run_id} --from TASK",
        )


def _check_input(past: PastRun, workflow: Workflow) -> None:
    if past.input is None:
        raise NotResumable(
            f"the input of run {past.status.workflow_id!r} is no longer stored",
            hint=f"start a new run: moose-cli workflow run {workflow.name}",
        )
    try:
        read_run_input(workflow.config.starting_task.input_type, past.input)
    except InvalidInput as error:
        hint = f"the run's input does not fit the code of now; start a new one: moose-cli workflow run {workflow.name}"
        raise InvalidInput(f"run {past.status.workflow_id!r}", error.model, error.faults, hint=hint) from None


def _past_tasks(past: PastRun, workflow: Workflow) -> dict[str, Past]:
    return {task.name: _past_task(task, past.outputs.get(task.name), workflow) for task in past.status.tasks}


def _past_task(status: TaskStatus, output: bytes | None, workflow: Workflow) -> Past:
    if status.state is not TaskPhase.COMPLETED:
        return Past(has_completed=False, reason=_what_happened(status))
    misfit = None if output is None else _misfit(workflow, status.name, output)
    return Past(has_completed=True, has_output=output is not None, misfit=misfit)


def _what_happened(status: TaskStatus) -> str:
    match status.state:
        case TaskPhase.FAILED:
            return f"failed: {status.error}" if status.error is not None else "failed"
        case TaskPhase.SKIPPED | TaskPhase.WAITING:
            return "did not run"
        case _ if status.started is not None:
            return "was running when the run ended"
        case _:
            return _waited(status)


def _waited(status: TaskStatus) -> str:
    """What a task waited for that was under way and did not run when the run ended."""
    if not status.is_interrupted:
        return "waited for an attempt"  # it was canceled, and Temporal keeps no record of what had been before
    if status.error is None or not status.attempts:
        return "waited for a worker"
    if status.error.is_request:
        return f"was postponed: {status.error.message}"
    if status.error.is_lost:
        return "waited to run again: its worker had gone away"
    return f"waited for its next attempt: {status.error}"


def _misfit(workflow: Workflow, name: str, output: bytes) -> str | None:
    """Say why an output is not one of the task of now; None if it is."""
    task = workflow.get_task(name)
    if task is None or task.output_type is None:
        return None
    try:
        read_value(name, task.output_type, output)
    except InvalidInput as error:
        return "; ".join(map(str, error.faults))
    return None


def _hash(past: PastRun, plan: Plan, decided: tuple[Decided, ...], code: str) -> str:
    facts = [past.status.run_id, plan.hash, code, *(f"{each.task} {each.verdict}" for each in decided)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:_HASH_LENGTH]


async def resume_run(client: Client, resumption: Resumption, *, task_queue: str, ui: str | None = None) -> ResumedRun:
    """Start the resumed run; `ui` is the address of Temporal's UI.

    Raises:
        NotResumable: somebody else has resumed the run in the meantime.
        RunAlreadyStarted: a run of this workflow id is open.
    """
    status, start = resumption.past.status, _start_arguments(resumption)
    await _refuse_second(client, status)

    async def begin(reuse: WorkflowIDReusePolicy) -> WorkflowHandle[Any, Any]:  # Any: a run's result is its workflow's
        return await client.start_workflow(
            start.workflow,
            args=start.args,
            id=status.workflow_id,
            task_queue=task_queue,
            execution_timeout=start.execution_timeout,
            retry_policy=start.retry_policy,
            memo={**start.memo, **_memo(status)},
            id_reuse_policy=reuse,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=f"resumed from {status.run_id}, keeping {len(resumption.kept)} tasks",
            static_details=start.static_details,
        )

    handle = await _begin_once(client, status, begin)
    run_id = handle.result_run_id
    assert run_id is not None, "a started run has an id"
    return ResumedRun(
        workflow=start.workflow,
        workflow_id=status.workflow_id,
        run_id=run_id,
        ui_url=run_url(ui, client.namespace, status.workflow_id, run_id),
        resumed_from=status.run_id,
    )


async def _begin_once(client: Client, status: RunStatus, begin: _Begin) -> WorkflowHandle[Any, Any]:  # Any: as above
    """Start unless somebody resumed the run since it was looked at, also if what they started has completed by now.

    Temporal has no start on the condition that the latest run is a certain one, but one that the latest did not
    complete. So what is left: somebody's resumed run that began and failed within these milliseconds.
    """
    if status.state is not RunState.COMPLETED:
        try:
            return await begin(WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
        except WorkflowAlreadyStartedError:
            await _refuse_second(client, status)  # otherwise another run of this id is open, or completed
    try:
        return await begin(WorkflowIDReusePolicy.ALLOW_DUPLICATE)
    except WorkflowAlreadyStartedError as error:
        await _refuse_second(client, status)
        raise RunAlreadyStarted(
            f"a run with the id {status.workflow_id!r} is open", hint=f"moose-cli workflow status {status.workflow_id}"
        ) from error


async def _refuse_second(client: Client, status: RunStatus) -> None:
    """Two may have looked at the run before one of them resumed it."""
    successor = await find_successor(client, status.workflow_id, status.run_id)
    if successor is not None:
        raise _resumed_already(status.run_id, successor)


def _resumed_already(run_id: str, successor: str) -> NotResumable:
    return NotResumable(
        f"run {run_id!r} was resumed already, as {successor!r}", hint=f"moose-cli workflow status {successor}"
    )


def _memo(status: RunStatus) -> dict[str, str]:
    """Say which run is resumed."""
    memo = {wire.MEMO_RESUMED_FROM: status.run_id}
    return memo if status.first_run_id == status.run_id else memo | {wire.MEMO_RESUMED_ORIGIN: status.first_run_id}


def _start_arguments(resumption: Resumption) -> StartArguments:
    outputs = resumption.past.outputs
    needed = needed_outputs(resumption.plan, resumption.kept)
    frontier = wire.Frontier(completed=resumption.kept, outputs=needed)
    packed = wire.bytes_value(pack(outputs[name] for name in needed))
    begin = Begin(frontier=frontier, outputs=packed, origin=resumption.past.origin)
    return start_arguments(resumption.plan, resumption.past.input, begin)
