"""An explanation of a run, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moose_lib.cli.next_steps import Step, next_steps
from moose_lib.cli.output import Output
from moose_lib.cli.status_text import failure_text, headline, paused_text
from moose_lib.cli.task_table import given_up_text
from moose_lib.cli.texts import clock_text, duration_text
from moose_lib.cli.worker_commands import WorkerCommands
from moose_lib.durations import format_duration
from moose_lib.operations.documents import json_time, task_document
from moose_lib.operations.explaining import Cause, Explanation, TaskInput
from moose_lib.operations.records import RunState, RunStatus, TaskError, TaskPhase, TaskStatus

__all__ = ["explanation_document", "explanation_lines"]

#: What is shown of an input without `--full`.
_INPUT_LINES = 30
_INPUT_COLUMNS = 160
_SHOWN_TASKS = 12


def explanation_lines(
    explanation: Explanation, output: Output, workers: WorkerCommands, *, is_full: bool = False
) -> list[str]:
    """Return everything `workflow explain` shows."""
    now = datetime.now(UTC)
    status = explanation.status
    lines = [headline(status, output), f"  workflow id  {status.workflow_id}", f"  run id       {status.run_id}", ""]
    lines += [output.paint(_sentence(explanation, now), None if explanation.is_healthy else "strong")]
    if status.is_paused and explanation.cause is not Cause.PAUSED:
        lines += [f"The run is also paused{paused_text(status)}: no further task starts."]
    lines += _facts(explanation, now)
    if explanation.input is not None:
        lines += ["", *_input_lines(explanation.input, is_full=is_full)]
    lines += _error_lines(explanation)
    return [*lines, "", *_step_lines(next_steps(explanation, workers), output)]


def _sentence(explanation: Explanation, now: datetime) -> str:
    """Say in one line which task it is, and why."""
    status, task = explanation.status, explanation.task
    match explanation.cause:
        case Cause.COMPLETED:
            return "Nothing to explain: the run completed."
        case Cause.RUNNING:
            return _healthy(status, task)
        case Cause.BLOCKED:
            assert task is not None, "it is about a task"
            return f"{task.name} has been running for {duration_text(task.duration)}; {task.held_up_by}."
        case Cause.PAUSED:
            return _paused(explanation)
        case Cause.CANCELING:
            return _canceling(explanation)
        case Cause.NO_WORKER | Cause.UNKNOWN:
            return _waits_for_a_worker(explanation)
        case Cause.PARKED | Cause.RETRYING | Cause.LOST:
            assert task is not None, "these are about a task"
            return _troubled(task, now)
        case Cause.FAILED | Cause.CANCELED | Cause.TERMINATED | Cause.TIMED_OUT:
            return _ended(explanation)


def _healthy(status: RunStatus, task: TaskStatus | None) -> str:
    done = sum(it.state is TaskPhase.COMPLETED for it in status.tasks)
    count = f"{done} of {len(status.tasks)} tasks completed"
    if task is None:
        return f"Nothing blocks the run: {count}."
    others = [it.name for it in status.tasks if it.state is TaskPhase.RUNNING and it.name != task.name]
    also = f"; running too: {_listed(others)}" if others else ""
    return f"Nothing blocks the run: {task.name} has been running for {duration_text(task.duration)}; {count}{also}."


def _paused(explanation: Explanation) -> str:
    """Say since when, by whom and why, and which tasks would start."""
    status = explanation.status
    said = f"The run is paused{paused_text(status)}"
    held = [task.name for task in status.tasks if task.is_startable]
    if not held:
        return f"{said}: nothing could start before its running tasks have ended."
    return f"{said}: {_listed(held)} {'starts' if len(held) == 1 else 'start'} when it is unpaused."


def _canceling(explanation: Explanation) -> str:
    task = explanation.task
    idle = "" if explanation.workers != 0 else f"; nobody works for task queue {explanation.task_queue!r}"
    held = "" if task is None or task.held_up_by is None else f" ({task.held_up_by})"
    still = "" if task is None else f": {task.name} has not stopped yet{held}"
    return f"The run is being canceled{still}{idle}."


def _waits_for_a_worker(explanation: Explanation) -> str:
    status, task = explanation.status, explanation.task
    if explanation.cause is Cause.UNKNOWN:
        what = f"a workflow named {status.name!r}" if task is None else f"task {task.name!r}"
        return f"No worker that was asked so far knows {what}: one with the code of now has to work."
    subject = "The run" if task is None else task.name
    if explanation.workers == 0:
        return f"{subject} waits for a worker: nobody works for task queue {explanation.task_queue!r}."
    lately = f"{explanation.workers} worked for task queue {explanation.task_queue!r} lately"
    return f"{subject} waits for a worker: {lately}, and may be busy, or gone since."


def _troubled(task: TaskStatus, now: datetime) -> str:
    error = "" if task.error is None else _first_line(str(task.error))
    soon = "" if task.next_attempt is None else f" in {duration_text(task.next_attempt - now)}"
    if task.is_lost:
        return (
            f"The worker of {task.name} went away; it runs again{soon}, if there is a worker, with no attempt used up."
        )
    if task.state is TaskPhase.PARKED:
        return f"{_failed(task)} and is parked: {error}"
    if task.error is not None and task.error.kind == "later":
        return f"{task.name} {task.error.message}"
    return f"{_failed(task)} and is tried again{soon}: {error}"


def _ended(explanation: Explanation) -> str:
    status, task = explanation.status, explanation.task
    if explanation.cause is Cause.FAILED and task is not None:
        return _failed_for_good(task, explanation)
    why = _first_line(failure_text(status)) if status.error is not None else status.state.words
    if task is None:
        return f"The run ended: {why}"
    began_again = task.is_interrupted and task.started is not None
    if task.state is TaskPhase.CANCELED and task.error is not None and task.error.is_lost and not began_again:
        return f"The run ended: {why}; {task.name}: {task.error.message}."
    return f"The run ended: {why}; {task.name} {_fate(task, status)}."


def _failed_for_good(task: TaskStatus, explanation: Explanation) -> str:
    error = "" if task.error is None else f": {_first_line(str(task.error))}"
    return "; ".join(filter(None, (f"{_failed(task)}{error}", given_up_text(task), _fate_of_the_run(explanation))))


def _fate_of_the_run(explanation: Explanation) -> str:
    if not explanation.status.is_open:
        return ""
    if explanation.status.has_open_tasks:
        return "the run fails when its other tasks have ended"
    nobody = f": nobody works for task queue {explanation.task_queue!r}" if explanation.workers == 0 else ""
    return f"the run fails when a worker takes it up{nobody}"


def _fate(task: TaskStatus, status: RunStatus) -> str:
    """What the end of the run from outside did to the task."""
    if task.state is TaskPhase.FAILED:
        return "had failed"
    if task.state is not TaskPhase.CANCELED:
        return "had not started"
    if not task.is_interrupted:
        return (
            "was running"
            if task.started is not None
            else "waited for an attempt; of earlier ones, if any, Temporal keeps no record"
        )
    by = "the timeout" if status.state is RunState.TIMED_OUT else "the termination"
    if task.started is not None:
        return f"was interrupted by {by}"
    return f"waited for {'its next attempt' if task.attempts else 'a worker'}"


def _failed(task: TaskStatus) -> str:
    """`charge failed on attempt 2 of 4`; a task that waited too long for a worker may have had none."""
    is_unstarted = task.error is not None and task.error.is_unstarted
    if not task.attempts:
        return f"{task.name} failed" if is_unstarted else f"{task.name} failed before its first attempt"
    limit = "" if task.max_attempts is None else f" of {task.max_attempts}"
    return f"{task.name} failed {'after' if is_unstarted else 'on'} attempt {task.attempts}{limit}"


def _facts(explanation: Explanation, now: datetime) -> list[str]:
    task = explanation.task
    if task is None:
        return []
    facts = {
        "attempts": _attempts(explanation, task),
        "next attempt": None
        if task.next_attempt is None
        else f"at {clock_text(task.next_attempt)}, in {duration_text(task.next_attempt - now)}",
        "limits": _limits(explanation),
        "fails": _deadline(explanation, now),
        "wait for it": _listed(explanation.blocked) or "no other task",
    }
    return [f"  {name:<12}  {value}" for name, value in facts.items() if value is not None]


def _attempts(explanation: Explanation, task: TaskStatus) -> str | None:
    if not task.attempts or explanation.attempts_left is None:
        return None
    if task.state is TaskPhase.CANCELED:
        ended = "interrupted" if task.is_interrupted else "canceled"
        return f"{explanation.attempts_used} of {task.max_attempts} used when it was {ended}"
    left = f"{explanation.attempts_used or 'none'} used, {explanation.attempts_left or 'none'} left"
    error = task.error
    if error is not None and not error.is_retryable and not explanation.attempts_left:
        return f"{left}: {error.type} is not tried again"
    return left


def _limits(explanation: Explanation) -> str | None:
    planned = explanation.planned
    if planned is None or explanation.cause not in {Cause.RUNNING, Cause.BLOCKED}:
        return None
    limits = {"an attempt": planned.timeout, "all attempts": planned.total_timeout}
    return ", ".join(f"{format_duration(limit)} for {of}" for of, limit in limits.items() if limit is not None) or None


def _deadline(explanation: Explanation, now: datetime) -> str | None:
    deadline = explanation.deadline
    if deadline is None:
        return None
    why = f"if no worker takes it ({deadline.limit} of {format_duration(deadline.length)})"
    if deadline.time <= now:
        return f"any moment, {why}"
    return f"at {clock_text(deadline.time)}, in {duration_text(deadline.time - now)}, {why}"


def _input_lines(given: TaskInput, *, is_full: bool) -> list[str]:
    if given.missing:
        return [f"Input: not known, as there is no {_listed(given.missing)} yet, or not on this machine"]
    if given.data is None:
        return ["Input: none"]
    lines = json.dumps(json.loads(given.data), indent=2, ensure_ascii=False).splitlines()
    title = f"Input ({given.source}):"
    return [title, *(f"  {line}" for line in (lines if is_full else _cut(lines)))]


def _cut(lines: list[str]) -> list[str]:
    shown = [line if len(line) <= _INPUT_COLUMNS else f"{line[: _INPUT_COLUMNS - 1]}…" for line in lines[:_INPUT_LINES]]
    if len(lines) > _INPUT_LINES:
        shown.append(f"… {len(lines) - _INPUT_LINES} more lines: --full")
    elif shown != lines:
        shown.append("… long lines were cut: --full")
    return shown


def _error_lines(explanation: Explanation) -> list[str]:
    """The user's traceback, or what else there is to read beyond the first line of the error."""
    error = _error_of(explanation)
    if error is None:
        return []
    if error.traceback:
        of = "" if error.attempt is None else f" of attempt {error.attempt}"
        return ["", f"Traceback{of}:", *(f"  {line}" for line in error.traceback.rstrip().splitlines())]
    more = str(error).splitlines()[1:]
    return ["", *(f"  {line}" for line in more)] if more else []


def _error_of(explanation: Explanation) -> TaskError | None:
    task, run = explanation.task, explanation.status.error
    if task is not None:
        return task.error
    return None if run is None else run.error


def _step_lines(steps: Sequence[Step], output: Output) -> list[str]:
    """Write each command below what it does, so that both fit a terminal and all of it can be pasted."""
    return [line for step in steps for line in (output.paint(f"# {step.what}", "dim"), output.pasteable(step.command))]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_TASKS} more" if len(names) > _SHOWN_TASKS else ""
    return ", ".join(names[:_SHOWN_TASKS]) + more


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")


def explanation_document(
    explanation: Explanation, output: Output, workers: WorkerCommands
) -> dict[str, Any]:  # Any: JSON
    """Return the explanation as JSON, with the whole input."""
    status, task = explanation.status, explanation.task
    steps = next_steps(explanation, workers)
    return {
        "workflow_name": status.name,
        "workflow_id": status.workflow_id,
        "run_id": status.run_id,
        "state": status.state.value,
        "is_healthy": explanation.is_healthy,
        "cause": explanation.cause.value,
        "summary": _sentence(explanation, datetime.now(UTC)),
        "task": None if task is None else task_document(task),
        "attempts_left": explanation.attempts_left,
        "fails_at": None if explanation.deadline is None else json_time(explanation.deadline.time),
        "input": None if explanation.input is None else _input_document(explanation.input),
        "blocked": list(explanation.blocked),
        "task_queue": explanation.task_queue,
        "workers": explanation.workers,
        "commands": [{"command": output.pasteable(step.command), "what": step.what} for step in steps],
    }


def _input_document(given: TaskInput) -> dict[str, Any]:  # Any: as above
    return {
        "source": given.source,
        "value": None if given.data is None else json.loads(given.data),
        "missing": list(given.missing),
    }
