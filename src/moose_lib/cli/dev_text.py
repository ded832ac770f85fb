"""A development session as text: a banner, then what happens, each child's lines under its name."""

from __future__ import annotations

from datetime import timedelta
from functools import singledispatchmethod
from pathlib import Path

from moose_lib.cli.output import Output, Paint
from moose_lib.cli.texts import duration_text
from moose_lib.dev.events import (
    CodeRefused,
    DevEvent,
    DevFacts,
    DevReady,
    OutputLine,
    ProcessDied,
    ProcessReady,
    ProcessStarted,
    ProcessStopped,
    Reloaded,
    Reloading,
    Source,
    Stopping,
    TemporalVersionChanged,
    WatchLost,
)

__all__ = ["DevText"]

#: The banner has to stay in sight.
_SHOWN_SCHEDULES = 3
_SOURCES: dict[Source, Paint] = {"temporal": "accent", "worker": "good", "server": "strong"}


class DevText:
    """Tells events as they come."""

    def __init__(self, output: Output, name: str) -> None:
        self._output = output
        self._name = name
        self._is_ready = False
        self._begun = set[Source]()

    @singledispatchmethod
    def tell(self, event: DevEvent) -> None:
        """Print what a user wants to know about the event."""
        raise TypeError(event)

    @tell.register
    def _(self, event: ProcessStarted) -> None:
        """The readiness is the news."""

    @tell.register
    def _(self, event: ProcessReady) -> None:
        if self._is_ready:
            word = "back" if event.source in self._begun else "up"
            self._say(f"{event.source} is {word} (process {event.pid})", "good")
        self._begun.add(event.source)

    @tell.register
    def _(self, event: ProcessDied) -> None:
        again = "" if event.restart_in is None else f"; starting it again in {duration_text(event.restart_in)}"
        how = "ended by itself" if event.exit.is_orderly else "died"
        self._say(f"{event.source} {how} ({event.exit}){again}", "bad")

    @tell.register
    def _(self, event: ProcessStopped) -> None:
        if event.killed:
            self._say(f"{event.source} did not stop in time and was killed (process {event.pid})", "warn")

    @tell.register
    def _(self, event: OutputLine) -> None:
        prefix = self._output.paint(f"{event.source:<8} │", _SOURCES[event.source])
        self._output.data(f"{prefix} {event.text}")

    @tell.register
    def _(self, event: DevReady) -> None:
        self._is_ready = True
        self._output.data(*_banner(self._output, self._name, event.facts, event.took))

    @tell.register
    def _(self, event: Reloading) -> None:
        """The outcome is the news, and it comes within two seconds."""

    @tell.register
    def _(self, event: Reloaded) -> None:
        names = "" if event.workflows is None else f": {', '.join(event.workflows) or 'no workflows'}"
        self._begun.add("worker")
        self._say(f"reloaded {_files(event.files)} in {duration_text(event.took)}{names}", "good")
        if event.news is not None:
            self._say(event.news, "good")
        for note in event.notes:
            self._say(f"note: {note}", "warn")

    @tell.register
    def _(self, event: CodeRefused) -> None:
        self._output.talk(event.text.rstrip())
        name = event.source
        kept = f"the {name} goes on with the code it has" if event.serving is not None else f"no {name} runs"
        self._say(f"{kept}; the next save is tried again", "warn")

    @tell.register
    def _(self, event: WatchLost) -> None:
        self._say(f"saves are not noticed any more ({event.reason}); restart moose-cli dev to see them", "warn")

    @tell.register
    def _(self, event: TemporalVersionChanged) -> None:
        how = "older than the one" if event.older else "newer than the one"
        self._say(f"Temporal {event.now} is {how} that wrote {_short(event.db_file)} ({event.before})", "warn")

    @tell.register
    def _(self, event: Stopping) -> None:  # noqa: ARG002  # the event itself is the news
        self._say("stopping; running tasks continue at the next start (Ctrl-C again to hurry)", "dim")

    def _say(self, text: str, paint: Paint) -> None:
        self._output.data(f"{self._output.paint('dev      │', 'strong')} {self._output.paint(text, paint)}")


def _banner(output: Output, name: str, facts: DevFacts, took: timedelta) -> list[str]:
    version = "" if facts.temporal_version is None else f", {facts.temporal_version}"
    lines = {
        "Temporal": f"{facts.temporal_address}  (namespace {facts.namespace}{version})",
        "Dashboard": facts.ui_url,
        "API": _api(facts),
        "Metrics": facts.metrics_url,
        "Data": None if facts.db_file is None else _short(facts.db_file),
        "Worker": f"task queue {facts.task_queue}, {_served(facts)}",
    }
    told = [f"  {output.paint(f'{key:<10}', 'dim')} {value}" for key, value in lines.items() if value is not None]
    example = facts.workflows[0] if facts.workflows else "NAME"
    for number, line in enumerate(_schedules(facts)):
        key = "" if number else "Schedules"
        told.append(f"  {output.paint(f'{key:<10}', 'dim')} {line}")
    for note in facts.notes:
        told += ["", f"  {output.paint('note:', 'warn')} {note}"]
    return [
        f"{output.paint('moose-cli dev', 'strong')}  {name}, ready in {duration_text(took)}",
        "",
        *told,
        "",
        f"  {output.paint('Run one', 'dim')}    moose-cli workflow run {example} --wait",
        f"  {output.paint('Stop', 'dim')}       Ctrl-C; runs go on at the next start",
        "",
    ]


def _schedules(facts: DevFacts) -> list[str]:
    lines = [f"{workflow}  {text}" for workflow, text in sorted(facts.schedules.items())]
    if len(lines) <= _SHOWN_SCHEDULES:
        return lines
    rest = len(lines) - _SHOWN_SCHEDULES + 1
    return [*lines[: _SHOWN_SCHEDULES - 1], f"and {rest} more: moose-cli schedule list"]


def _served(facts: DevFacts) -> str:
    if facts.workflows is None:
        return "waiting for code that loads" if facts.worker_pid is None else f"process {facts.worker_pid}"
    if not facts.workflows:
        return "no workflows declared yet"
    return f"{'workflow' if len(facts.workflows) == 1 else 'workflows'} {', '.join(facts.workflows)}"


def _api(facts: DevFacts) -> str | None:
    if facts.api_url is None or facts.server_pid is not None:
        return facts.api_url
    return f"{facts.api_url}  (no server runs yet)"


def _files(files: tuple[Path, ...]) -> str:
    return ", ".join(_short(file) for file in files) or "code"


def _short(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)
