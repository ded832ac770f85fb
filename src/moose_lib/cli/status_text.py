"""A run and its tasks as lines of text: the same for `status`, a live view, and the end of `run --wait`."""

from __future__ import annotations

from moose_lib.cli.output import Output, Paint
from moose_lib.cli.task_table import error_line, given_up_text, task_lines
from moose_lib.cli.texts import duration_text, local_text
from moose_lib.operations.documents import EMOJI
from moose_lib.operations.records import RunError, RunState, RunStatus, TaskPhase

__all__ = [
    "STATE_PAINTS",
    "failure_text",
    "guidance_lines",
    "headline",
    "hook_notes",
    "paused_text",
    "retry_text",
    "run_state_text",
    "status_lines",
    "traceback_lines",
]

STATE_PAINTS: dict[RunState, Paint | None] = {
    RunState.RUNNING: "accent",
    RunState.COMPLETED: "good",
    RunState.FAILED: "bad",
    RunState.CANCELED: "warn",
    RunState.TERMINATED: "warn",
    RunState.TIMED_OUT: "bad",
    RunState.CONTINUED_AS_NEW: "dim",
}


#: Of many parked tasks, these are told with their commands.
_SHOWN_PARKED = 3


def status_lines(
    status: RunStatus, output: Output, ui_url: str | None, *, is_verbose: bool = False, queue: str = ""
) -> list[str]:
    """Return everything `workflow status` shows; `queue` as `guidance_lines` takes it."""
    lines = [headline(status, output), *_facts(status, ui_url), ""]
    lines += task_lines(status, output) if status.tasks else [_no_plan(status)]
    if status.error is not None:
        lines += ["", output.paint(failure_text(status), STATE_PAINTS[status.state])]
    lines += map(output.pasteable, guidance_lines(status, queue))
    if is_verbose:
        lines += traceback_lines(status)
    return lines


def guidance_lines(status: RunStatus, queue: str = "") -> list[str]:
    """Say what people can do about the run, as commands to paste; `queue` is that of `WorkerCommands`."""
    run = status.workflow_id
    lines = list[str]()
    if status.is_paused:
        lines += ["", f"Paused{paused_text(status)}: no further task starts until: moose-cli workflow unpause {run}"]
    for task in status.parked[:_SHOWN_PARKED]:
        lines += ["", f"{task.name} is parked. Decide how it goes on:"]
        lines.append(f"  moose-cli workflow retry {run} {task.name}")
        lines.append(f"  moose-cli workflow skip {run} {task.name} --output JSON")
        lines.append(f"  moose-cli workflow fail {run}")
    more = len(status.parked) - _SHOWN_PARKED
    if more > 0:
        lines += ["", f"{more} more tasks are parked. To retry all of them: moose-cli workflow retry {run}"]
    if not status.is_open and status.state is not RunState.COMPLETED and status.resumed_as is None:
        lines += ["", f"To keep what is finished and run the rest: moose-cli workflow resume {status.run_id}{queue}"]
    return lines


def paused_text(status: RunStatus) -> str:
    """` since 2026-11-22 12:00:00 by 1234@host (waits for the bank)`, as far as it is known."""
    pause = status.pause
    if pause is None:
        return ""
    by = "" if pause.by is None else f" by {pause.by}"
    return f" since {local_text(pause.time)}{by}" + ("" if pause.note is None else f" ({pause.note})")


def headline(status: RunStatus, output: Output) -> str:
    """`OrderProcessing  completed ✅  in 1m 4s`."""
    state = output.paint(f"{run_state_text(status)} {EMOJI[status.state]}", STATE_PAINTS[status.state])
    span = f"{'for' if status.is_open else 'in'} {duration_text(status.duration)}"
    return f"{output.paint(status.name, 'strong')}  {state}  {span}"


def run_state_text(status: RunStatus) -> str:
    """Say in a word how a run stands: of an open one, also that it is parked, paused or being canceled."""
    if status.is_open and status.is_cancel_requested:
        return "canceling"
    if status.parked:
        return "parked"
    if status.is_paused:
        return "paused"
    return status.state.words


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


def hook_notes(status: RunStatus) -> list[str]:
    """Say which hook did not do its work, which the end of the run itself does not tell."""
    ended = "completed" if status.state is RunState.COMPLETED else "failed"
    return [
        f"hook {hook.name!r} {hook.state.value}: {error_line(hook) or 'it did not end'}; the run {ended} all the same"
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
    when = f" {'after' if error.is_unstarted else 'on'} attempt {attempt}" if attempt else ""  # 0: it never began
    text = f"task {failed!r} failed{when}: {next(iter(str(error).splitlines()), '')}"
    return "; ".join(filter(None, (text, "" if task is None else given_up_text(task))))


def traceback_lines(status: RunStatus) -> list[str]:
    """Return the users' tracebacks of the tasks that failed."""
    lines = list[str]()
    for task in (*status.tasks, *status.hooks):
        if task.error is not None and task.error.traceback is not None and not task.error.is_request:
            lines += ["", f"{task.name}, attempt {task.error.attempt}:", *task.error.traceback.rstrip().splitlines()]
    return lines
