"""A run and its tasks as lines of text: the same for `status`, a live view, and the end of `run --wait`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from moose_lib.cli.documents import EMOJI
from moose_lib.cli.output import Output, Paint
from moose_lib.cli.texts import clock_text, duration_text, local_text
from moose_lib.operations.records import Decision, RunError, RunState, RunStatus, TaskPhase, TaskStatus

__all__ = [
    "STATE_PAINTS",
    "TASK_MARKS",
    "TASK_PAINTS",
    "failure_text",
    "guidance_lines",
    "headline",
    "hook_notes",
    "retry_text",
    "state_text",
    "status_lines",
    "task_lines",
    "task_remark",
    "traceback_lines",
]

TASK_MARKS = {
    TaskPhase.WAITING: "○",
    TaskPhase.QUEUED: "◌",
    TaskPhase.RUNNING: "●",
    TaskPhase.RETRYING: "↻",
    TaskPhase.UNKNOWN: "?",
    TaskPhase.PARKED: "!",
    TaskPhase.COMPLETED: "✓",
    TaskPhase.FAILED: "✗",
    TaskPhase.SKIPPED: "-",
    TaskPhase.CANCELED: "⊘",
}
TASK_PAINTS: dict[TaskPhase, Paint | None] = {
    TaskPhase.WAITING: "dim",
    TaskPhase.QUEUED: "dim",
    TaskPhase.RUNNING: "accent",
    TaskPhase.RETRYING: "warn",
    TaskPhase.UNKNOWN: "warn",
    TaskPhase.PARKED: "bad",
    TaskPhase.COMPLETED: "good",
    TaskPhase.FAILED: "bad",
    TaskPhase.SKIPPED: "dim",
    TaskPhase.CANCELED: "warn",
}
STATE_PAINTS: dict[RunState, Paint | None] = {
    RunState.RUNNING: "accent",
    RunState.COMPLETED: "good",
    RunState.FAILED: "bad",
    RunState.CANCELED: "warn",
    RunState.TERMINATED: "warn",
    RunState.TIMED_OUT: "bad",
    RunState.CONTINUED_AS_NEW: "dim",
}
_HEADER = ("STATE", "ATTEMPTS", "STARTED", "DURATION")


def status_lines(status: RunStatus, output: Output, ui_url: str | None, *, is_verbose: bool = False) -> list[str]:
    """Return everything `workflow status` shows."""
    lines = [headline(status, output), *_facts(status, ui_url), ""]
    lines += task_lines(status, output) if status.tasks else [_no_plan(status)]
    if status.error is not None:
        lines += ["", output.paint(failure_text(status), STATE_PAINTS[status.state])]
    lines += guidance_lines(status)
    if is_verbose:
        lines += traceback_lines(status)
    return lines


def guidance_lines(status: RunStatus) -> list[str]:
    """Say what people can do about the run, as commands to paste."""
    run = status.workflow_id
    lines = list[str]()
    if status.is_paused:
        lines += ["", f"Paused: no further task starts until: moose-cli workflow unpause {run}"]
    for task in status.parked:
        lines += ["", f"{task.name} is parked. Decide how it goes on:"]
        lines.append(f"  moose-cli workflow retry {run} {task.name}")
        lines.append(f"  moose-cli workflow skip {run} {task.name} --output JSON")
        lines.append(f"  moose-cli workflow fail {run}")
    if not status.is_open and status.state is not RunState.COMPLETED and status.resumed_as is None:
        lines += ["", f"To keep what is finished and run the rest: moose-cli workflow resume {status.run_id}"]
    return lines


def headline(status: RunStatus, output: Output) -> str:
    """`OrderProcessing  completed ✅  in 1m 4s`."""
    state = output.paint(f"{_state_text(status)} {EMOJI[status.state]}", STATE_PAINTS[status.state])
    span = f"{'for' if status.is_open else 'in'} {duration_text(status.duration)}"
    return f"{output.paint(status.name, 'strong')}  {state}  {span}"


def _state_text(status: RunStatus) -> str:
    if status.is_open and status.is_cancel_requested:
        return "canceling"
    if status.parked:
        return "parked"
    if status.is_paused:
        return "paused"
    return status.state.value.replace("_", " ")


def _facts(status: RunStatus, ui_url: str | None) -> list[str]:
    facts = {
        "workflow id": status.workflow_id,
        "run id": status.run_id,
        "started": local_text(status.started),
        "attempt": _attempt_text(status) if status.attempt > 1 else None,
        "resumed": None if status.resumed_from is None else f"from {status.resumed_from}",
        "resumed as": status.resumed_as,
        "parent": None if status.parent is None else f"{status.parent.workflow_id} {status.parent.run_id}",
        "dashboard": ui_url,
    }
    return [f"  {name:<11}  {value}" for name, value in facts.items() if value is not None]


def _attempt_text(status: RunStatus) -> str:
    """`2 of 3, after task 'charge' failed on attempt 4: …`."""
    limit = "" if status.max_attempts is None else f" of {status.max_attempts}"
    error = None if status.retried is None else status.retried.error
    return f"{status.attempt}{limit}" + ("" if error is None else f", after {_reason(error, status)}")


def retry_text(status: RunStatus) -> str:
    """Say that the run failed and begins again, and how often it may."""
    error = None if status.retried is None else status.retried.error
    why = "" if error is None else f": {_reason(error, status)}"
    limit = "" if status.max_attempts is None else f" of {status.max_attempts - 1}"
    return f"run failed{why}; retry {status.attempt - 1}{limit} starts from the beginning"


def _no_plan(status: RunStatus) -> str:
    if status.is_workflow_unknown:
        return f"  no worker so far knows a workflow named {status.name!r}"
    return "  no plan yet: a worker brings it" if status.is_open else "  the run ended before it had a plan"


def task_lines(status: RunStatus, output: Output, now: datetime | None = None) -> list[str]:
    """Return a table with a row per task, in the order of the plan, and one with the hook that runs or ran."""
    now = now or datetime.now(UTC)
    lines = _table("TASK", status.tasks, status, output, now)
    return [*lines, "", *_table("HOOK", status.hooks, status, output, now)] if status.hooks else lines


def _table(what: str, tasks: Sequence[TaskStatus], status: RunStatus, output: Output, now: datetime) -> list[str]:
    header = (f"  {what}", *_HEADER)
    rows = [header, *(_row(task) for task in tasks)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = list[str]()
    for row, task in zip(rows, (None, *tasks), strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        remark = "" if task is None else _held(task, status) or task_remark(task, now)
        paint: Paint | None = "dim" if task is None else TASK_PAINTS[task.state]
        lines.append(output.paint(f"{line}  {remark}".rstrip(), paint))
    return lines


def _row(task: TaskStatus) -> tuple[str, str, str, str, str]:
    return (
        f"{TASK_MARKS[task.state]} {task.name}",
        state_text(task),
        _attempts(task),
        "-" if task.started is None else clock_text(task.started),
        duration_text(task.duration),
    )


def state_text(task: TaskStatus) -> str:
    """Return the task's state in a word."""
    if task.is_postponed:
        return "postponed"
    return "lost" if task.is_lost else task.state.value


def _attempts(task: TaskStatus) -> str:
    if task.attempts == 0:
        return "-"
    is_plain = task.attempts == 1 and task.error is None
    return str(task.attempts) if is_plain or task.max_attempts is None else f"{task.attempts} of {task.max_attempts}"


def _held(task: TaskStatus, status: RunStatus) -> str:
    """Say that a task could start if the run were not paused."""
    could_start = task.state is TaskPhase.WAITING and not task.waiting_for
    return "until the run is unpaused" if could_start and status.is_paused else ""


def task_remark(task: TaskStatus, now: datetime) -> str:
    """Say what a task waits for or suffers from."""
    match task.state:
        case TaskPhase.WAITING:
            return f"for {', '.join(task.waiting_for)}" if task.waiting_for else ""
        case TaskPhase.QUEUED:
            return "for a worker"
        case TaskPhase.UNKNOWN:
            return "the workers asked so far do not know this task"
        case TaskPhase.RETRYING:
            next_one = "runs again" if task.is_lost or task.is_postponed else "next attempt"
            wait = "" if task.next_attempt is None else f", {next_one} in {duration_text(task.next_attempt - now)}"
            return f"{_first_line(task)}{wait}"
        case TaskPhase.COMPLETED if task.is_kept:
            return "kept from the run before"
        case TaskPhase.COMPLETED if task.decision is Decision.SKIP:
            return "skipped by hand, with a given output"
        case _:
            return _first_line(task)


def _first_line(task: TaskStatus) -> str:
    if task.error is None:
        return ""
    text = task.error.message if task.error.is_lost or task.error.is_request else str(task.error)
    return next(iter(text.splitlines()), "")


def hook_notes(status: RunStatus) -> list[str]:
    """Say which hook did not do its work, which the end of the run itself does not tell."""
    ended = "completed" if status.state is RunState.COMPLETED else "failed"
    return [
        f"hook {hook.name!r} {hook.state.value}: {_first_line(hook) or 'it did not end'}; the run {ended} all the same"
        for hook in status.hooks
        if hook.state in {TaskPhase.FAILED, TaskPhase.CANCELED}
    ]


def failure_text(status: RunStatus) -> str:
    """One line: which task failed on which attempt, and how."""
    assert status.error is not None, "asked only for runs that have an error"
    if status.state is RunState.TERMINATED:
        message = status.error.error.message
        return f"terminated: {message}" if message else "terminated"
    return _reason(status.error, status)


def _reason(reason: RunError, status: RunStatus) -> str:
    failed, error = reason.task, reason.error
    if failed is None:
        return str(error)
    task = status.task(failed)
    attempt = error.attempt or (None if task is None else task.attempts)
    when = f" on attempt {attempt}" if attempt else ""  # 0: it never began
    return f"task {failed!r} failed{when}: {next(iter(str(error).splitlines()), '')}"


def traceback_lines(status: RunStatus) -> list[str]:
    """Return the users' tracebacks of the tasks that failed."""
    lines = list[str]()
    for task in (*status.tasks, *status.hooks):
        if task.error is not None and task.error.traceback is not None and not task.error.is_request:
            lines += ["", f"{task.name}, attempt {task.error.attempt}:", *task.error.traceback.rstrip().splitlines()]
    return lines
