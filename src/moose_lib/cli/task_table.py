"""The tasks of a run as a table: the graph in the first column, then how each task stands, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from moose_lib.cli.output import Output, Paint
from moose_lib.cli.texts import clock_text, duration_text
from moose_lib.dmv2.deliveries import Tally
from moose_lib.operations.records import Decision, RunStatus, TaskPhase, TaskStatus
from moose_lib.plan.render import outline

__all__ = [
    "TASK_MARKS",
    "TASK_PAINTS",
    "error_line",
    "fitting_task_lines",
    "given_up_text",
    "state_text",
    "task_lines",
    "task_remark",
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
_HEADER = ("STATE", "ATTEMPTS", "STARTED", "DURATION")
#: Columns that a narrow terminal can do without, the first one first, if so much is not left for remarks.
_EXPENDABLE = ((3, 40), (2, 24))
#: Of what many tasks have in common, this many names say enough.
_SHOWN_NAMES = 3
#: Where there is no room for all tasks, these are shown, in this order.
_TELLING = (
    TaskPhase.FAILED,
    TaskPhase.PARKED,
    TaskPhase.UNKNOWN,
    TaskPhase.RETRYING,
    TaskPhase.CANCELED,
    TaskPhase.RUNNING,
    TaskPhase.QUEUED,
)
_COUNTED = (TaskPhase.COMPLETED, *_TELLING, TaskPhase.WAITING, TaskPhase.SKIPPED)


@dataclass(frozen=True, kw_only=True)
class _Row:
    task: TaskStatus
    before: str = ""
    after: tuple[str, ...] = ()


def task_lines(
    status: RunStatus, output: Output, now: datetime | None = None, *, width: int | None = None
) -> list[str]:
    """Return a table with a row per task, as a tree, and one with the hook that runs or ran.

    Only branches are indented; a join stands below its last parent and names all of them. A table that would be wider
    than `width` does without some columns.
    """
    now = now or datetime.now(UTC)
    lines = _table("TASK", _rows(status), status, output, now, width)
    return [*lines, "", *_table("HOOK", _flat(status.hooks), status, output, now, width)] if status.hooks else lines


def fitting_task_lines(status: RunStatus, output: Output, now: datetime, *, width: int, height: int) -> list[str]:
    """Return the same for a terminal; where it is not high enough, only counts and the tasks that say most."""
    hooks = len(status.hooks) + 2 if status.hooks else 0
    if len(status.tasks) + 1 + hooks <= height:
        return task_lines(status, output, now, width=width)
    counts = Counter(task.state for task in status.tasks)
    told = ", ".join(f"{counts[phase]} {phase.value}" for phase in _COUNTED if counts[phase])
    lines = [f"{len(status.tasks)} tasks: {told}"]
    shown = _most_telling(status)
    room = max(height - len(lines) - 2 - hooks, 1)
    if shown:
        lines += _table("TASK", _flat(shown[:room]), status, output, now, width)
    if len(shown) > room:
        lines.append(output.paint(f"  … and {len(shown) - room} more of these", "dim"))
    return [*lines, "", *_table("HOOK", _flat(status.hooks), status, output, now, width)] if status.hooks else lines


def _most_telling(status: RunStatus) -> list[TaskStatus]:
    """What failed or blocks, and then what is going on."""
    by_phase = {phase: [task for task in status.tasks if task.state is phase] for phase in _TELLING}
    return [task for phase in _TELLING for task in by_phase[phase]]


def _rows(status: RunStatus) -> list[_Row]:
    if status.plan is None:
        return _flat(status.tasks)
    tasks = {task.name: task for task in status.tasks}
    plan = status.plan
    return [_Row(task=tasks[name], before=before, after=plan.task(name).after) for before, name in outline(plan)]


def _flat(tasks: Iterable[TaskStatus]) -> list[_Row]:
    return [_Row(task=task) for task in tasks]


def _table(
    what: str, rows: Sequence[_Row], status: RunStatus, output: Output, now: datetime, width: int | None
) -> list[str]:
    cells = [[f"  {what}", *_HEADER], *(_cells(row) for row in rows)]
    remarks = ["", *(_remark(row, status, now) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    columns = _affordable(widths, max(map(len, remarks)), width)
    lines = list[str]()
    for i, remark in enumerate(remarks):
        line = "  ".join(cells[i][column].ljust(widths[column]) for column in columns)
        paint: Paint | None = "dim" if i == 0 else TASK_PAINTS[rows[i - 1].task.state]
        lines.append(output.paint(f"{line}  {remark}".rstrip(), paint))
    return lines


def _affordable(widths: Sequence[int], remark: int, width: int | None) -> list[int]:
    """The columns that leave room for the remarks."""
    columns = list(range(len(widths)))
    for column, room in _EXPENDABLE:
        needed = sum(widths[it] + 2 for it in columns) + min(remark, room)
        if width is not None and needed > width:
            columns.remove(column)
    return columns


def _cells(row: _Row) -> list[str]:
    task = row.task
    return [
        f"{TASK_MARKS[task.state]} {row.before}{task.name}",
        state_text(task),
        _attempts(task),
        "-" if task.started is None else clock_text(task.started),
        duration_text(task.duration),
    ]


def state_text(task: TaskStatus) -> str:
    """Return the task's state in a word."""
    if task.is_postponed:
        return "postponed"
    if task.is_interrupted:
        return "interrupted"
    return "lost" if task.is_lost else task.state.value


def _attempts(task: TaskStatus) -> str:
    if task.attempts == 0:
        return "-"
    is_plain = task.attempts == 1 and task.error is None
    return str(task.attempts) if is_plain or task.max_attempts is None else f"{task.attempts} of {task.max_attempts}"


def _remark(row: _Row, status: RunStatus, now: datetime) -> str:
    """What it waits for or suffers from, and of a join, what it comes after."""
    remark = _held(row.task, status) or task_remark(row.task, now)
    is_join = len(row.after) > 1 and not row.task.waiting_for
    return "  ".join(filter(None, (remark, f"after {_named(row.after)}" if is_join else "")))


def _held(task: TaskStatus, status: RunStatus) -> str:
    """Say that a task could start if the run were not paused."""
    return "until the run is unpaused" if task.is_startable and status.is_paused else ""


def task_remark(task: TaskStatus, now: datetime) -> str:
    """Say what a task waits for or suffers from."""
    match task.state:
        case TaskPhase.WAITING:
            return f"for {_named(task.waiting_for)}" if task.waiting_for else ""
        case TaskPhase.QUEUED:
            return "for a worker"
        case TaskPhase.UNKNOWN:
            return "the workers asked so far do not know this task"
        case TaskPhase.RETRYING:
            next_one = "runs again" if task.is_lost or task.is_postponed else "next attempt"
            wait = "" if task.next_attempt is None else f", {next_one} in {duration_text(task.next_attempt - now)}"
            return f"{error_line(task)}{wait}"
        case TaskPhase.CANCELED if task.started is None and not task.is_interrupted:
            return "while it waited for an attempt; of earlier ones, if any, Temporal keeps no record"
        case TaskPhase.COMPLETED if task.is_kept:
            return "kept from the run before"
        case TaskPhase.COMPLETED if task.decision is Decision.SKIP:
            return "skipped by hand, with a given output"
        case TaskPhase.RUNNING:
            before = "" if task.error is None else f"before: {error_line(task)}"
            return before if task.held_up_by is None else task.held_up_by
        case TaskPhase.COMPLETED if task.sent:
            return _sent(task.sent)
        case _:
            ingested = f"{_sent(task.sent)} all the same" if task.sent else ""
            return "; ".join(filter(None, (error_line(task), given_up_text(task), ingested)))


def given_up_text(task: TaskStatus) -> str:
    """Say that somebody let a parked task fail, and why; nothing for any other task."""
    if task.state is not TaskPhase.FAILED or task.decision is not Decision.FAIL:
        return ""
    return "given up" if task.reason is None else f"given up: {task.reason}"


def _sent(sent: Tally) -> str:
    elsewhere = {"rejected": sent.rejected, "set aside": sent.set_aside}
    rest = [name for counts in elsewhere.values() for name in counts]
    into = [f"{count:,} into {name}" for name, count in sent.stored.items() if count or name not in rest]
    parts = [f"ingested {_named(into)}" if into else ""]
    for word, counts in elsewhere.items():
        of = [f"{count:,} of {name}" for name, count in counts.items()]
        parts.append(f"{word} {_named(of)}" if of else "")
    return ", ".join(filter(None, parts))


def _named(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def error_line(task: TaskStatus) -> str:
    """Return the first line of why its last attempt failed, if one did."""
    if task.error is None:
        return ""
    text = task.error.message if task.error.is_lost or task.error.is_request else str(task.error)
    return next(iter(text.splitlines()), "")
