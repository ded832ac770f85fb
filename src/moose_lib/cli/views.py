"""Watching a run: one line per event in a pipe, a table that moves on a terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from moose_lib.cli.output import Output, Paint
from moose_lib.cli.status_text import guidance_lines, headline, retry_text
from moose_lib.cli.task_table import fitting_task_lines, state_text, task_remark
from moose_lib.cli.texts import clock_text, duration_text
from moose_lib.operations.records import RunStatus, TaskError, TaskPhase, TaskRetry, TaskStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["View", "view_for"]

_TOLD: dict[TaskPhase, Paint | None] = {
    TaskPhase.COMPLETED: "good",
    TaskPhase.FAILED: "bad",
    TaskPhase.CANCELED: "warn",
    TaskPhase.SKIPPED: "dim",
    TaskPhase.RETRYING: "warn",
    TaskPhase.UNKNOWN: "warn",
    TaskPhase.PARKED: "bad",
}


#: Lines of the terminal that are left for the cursor, and for the command itself.
_MARGIN = 2


class View(AbstractContextManager["View"], Protocol):
    """Shows a run while it goes on."""

    def show(self, status: RunStatus) -> None:
        """Take the newest status."""

    def note(self, text: str) -> None:
        """Say something on the side."""


def view_for(output: Output) -> View:
    """Return the view for whoever reads: nobody (`--json`), a pipe, or a person at a terminal."""
    if output.is_live:
        return _TerminalView(output)
    return _PlainView(output)


class _PlainView:
    """A line whenever a task ends, or an attempt does, of a task or of the whole run."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told = dict[str, tuple[str, int, datetime | None]]()
        self._retried = dict[str, TaskError | None]()
        self._attempt = 1
        self._guidance = list[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left on the screen to tidy up."""

    def show(self, status: RunStatus) -> None:
        if status.attempt < self._attempt:
            return  # the history is read again after a lost connection
        if status.attempt > self._attempt:
            self._attempt = status.attempt
            self._told.clear()
            self._retried.clear()
            self._output.data(self._retry_line(status))
        tasks = (*status.tasks, *status.hooks)
        width = max((len(task.name) for task in tasks), default=0)
        for task in sorted(tasks, key=_ended):
            if task.state is TaskPhase.RUNNING and task.error is not None and task.error.is_lost:
                self._told.pop(task.name, None)  # it may be lost once more
            what = (state_text(task), task.attempts, task.closed)
            if task.state in _TOLD and self._told.get(task.name) != what:
                self._told[task.name] = what
                self._tell(task, width)
        if status.is_open:
            self._guide([self._output.pasteable(line) for line in guidance_lines(status)])

    def _tell(self, task: TaskStatus, width: int) -> None:
        """Tell of a task, and of its last retry first, if that came and went without being seen."""
        retry = task.retried
        if retry is not None and retry.error != self._retried.get(task.name):
            self._output.data(self._line(_at_retry(task, retry), width))
        self._retried[task.name] = task.error if task.state is TaskPhase.RETRYING else None
        self._output.data(self._line(task, width))

    def _guide(self, lines: list[str]) -> None:
        """What people have to do about a run that waits for them is no part of its lines."""
        if lines != self._guidance:
            self._guidance = lines
            self._output.talk(*lines)

    def _retry_line(self, status: RunStatus) -> str:
        time = datetime.now(UTC) if status.retried is None else status.retried.time
        return f"{clock_text(time)}  {self._output.paint(retry_text(status), 'warn')}"

    def _line(self, task: TaskStatus, width: int) -> str:
        now = datetime.now(UTC)
        state = self._output.paint(f"{state_text(task):<9}", _TOLD[task.state])
        is_excused = task.is_lost or task.is_postponed
        is_counted = task.state is TaskPhase.RETRYING and not is_excused and task.attempts > 0
        attempt = f"attempt {task.attempts} of {task.max_attempts}: " if is_counted else ""
        parts = [clock_text(task.closed or now), task.name.ljust(width), state]
        parts += [duration_text(task.duration)] if task.duration is not None else []
        parts += [f"{attempt}{task_remark(task, now)}"]
        return "  ".join(parts).rstrip()

    def note(self, text: str) -> None:
        self._output.note(text)


def _ended(task: TaskStatus) -> datetime:
    """When it ended; what was kept from an earlier run comes first, and what has not ended last."""
    never = datetime.min.replace(tzinfo=UTC) if task.is_kept else datetime.max.replace(tzinfo=UTC)
    return task.closed or never


def _at_retry(task: TaskStatus, retry: TaskRetry) -> TaskStatus:
    """Return the task as it was between two attempts; one that could not read its input has used none up."""
    used = 0 if retry.error.kind == "value" else retry.error.attempt or 0
    return replace(task, state=TaskPhase.RETRYING, attempts=used, closed=retry.time, duration=None, error=retry.error)


class _TerminalView:
    """The task table, drawn again as things change; it stays on the screen when the run has ended.

    What does not fit the terminal, as it is at the moment, is counted.
    """

    def __init__(self, output: Output) -> None:
        from rich.console import Console  # loaded where somebody watches, nowhere else
        from rich.live import Live
        from rich.spinner import Spinner

        self._output = output
        self._status: RunStatus | None = None
        self._note = ""
        self._console = Console(no_color=not output.has_color, highlight=False)
        self._spinner = Spinner("dots")
        self._live = Live(console=self._console, get_renderable=self._draw, refresh_per_second=10)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, status: RunStatus) -> None:
        self._status = status
        if any(task.attempts for task in status.tasks):
            self._note = ""

    def note(self, text: str) -> None:
        self._note = self._output.pasteable(text)

    def _draw(self) -> RenderableType:
        from rich.text import Text

        if self._status is None:
            return Text("")
        now = datetime.now(UTC)
        status = _as_of(self._status, now)
        frame = self._spinner.render(self._console.get_time())
        mark = f"{frame.plain if isinstance(frame, Text) else ''} " if status.is_open else ""
        above = [f"{mark}{headline(status, self._output)}"]
        above += [self._output.paint(retry_text(status), "warn")] if status.attempt > 1 else []
        below = [f"{self._output.paint('note:', 'warn')} {self._note}"] if self._note else []
        below += map(self._output.pasteable, guidance_lines(status)) if status.is_open else []
        width, height = self._console.size
        room = height - len(above) - len(below) - _MARGIN
        lines = [*above, *fitting_task_lines(status, self._output, now, width=width, height=room), *below]
        return Text.from_ansi("\n".join(lines), no_wrap=True, overflow="ellipsis")


def _as_of(status: RunStatus, now: datetime) -> RunStatus:
    """Let the clocks of what is going on run on between two events."""
    if not status.is_open:
        return status
    tasks = tuple(
        replace(task, duration=now - task.started)
        if task.state is TaskPhase.RUNNING and task.started is not None
        else task
        for task in status.tasks
    )
    return replace(status, duration=now - status.started, tasks=tasks)
