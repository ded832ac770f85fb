"""What `moose-cli logs` shows: from the user's words to lines, and from lines to text."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from moose_lib.cli.options import Target
from moose_lib.cli.output import Output, Paint
from moose_lib.cli.session import Session, open_session
from moose_lib.cli.texts import instant_text
from moose_lib.durations import parse_age
from moose_lib.errors import EngineUnreachable, ImportFailed, InvalidDefinition, RunNotFound, TaskNotFound
from moose_lib.logs.lines import Level, Line, document, whole_text
from moose_lib.logs.reading import LogReader, Named, Wanted, find_known, find_named, has_task
from moose_lib.logs.store import LOGS_DIRECTORY, kept_since

if TYPE_CHECKING:
    from moose_lib.operations.records import RunSummary
    from moose_lib.project.loader import LoadedProject

__all__ = ["Request", "not_found", "require_task", "show_lines", "show_logs"]

_PAINTS: dict[Level, Paint | None] = {
    "debug": "dim",
    "info": None,
    "warning": "warn",
    "error": "bad",
    "critical": "bad",
}


#: Lines printed at once.
_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line says."""

    reference: str | None
    task: str | None
    attempt: int | None
    level: str | None
    since: str | None
    tail: int | None

    def wanted(self) -> Wanted:
        """Return what is asked for, except for the run.

        Raises:
            InvalidDuration: `since` is none.
        """
        return Wanted(
            task=self.task,
            attempt=self.attempt,
            level=cast("Level | None", self.level),  # one of the option's choices
            since=None if self.since is None else time.time() - parse_age(self.since).total_seconds(),
        )


def show_logs(output: Output, target: Target, request: Request) -> int:
    """Print the lines that are asked for; return the exit code."""
    wanted = request.wanted()
    session = open_session(target)
    directory = session.settings.state_directory / LOGS_DIRECTORY
    if request.reference is not None:
        named = find_named(directory, request.reference)
        if named is None:
            return _nothing(output, session, directory, request.reference)
        wanted = replace(wanted, workflow_id=named.workflow_id, run_id=named.run_id)
        require_task(session, directory, request, named)
    else:
        require_task(session, directory, request, None)
    reader = LogReader(directory, wanted)
    lines = reader.read() if request.tail is None else reader.read_last(request.tail)
    if not show_lines(output, wanted, lines):
        output.talk("no such lines" if wanted != Wanted() else f"no logs yet in {directory}")
    return 0


def show_lines(output: Output, wanted: Wanted, lines: Iterable[Line]) -> bool:
    """Print lines; tell whether there were any."""
    is_one_run = wanted.workflow_id is not None
    rest, shown = iter(lines), False
    while batch := list(islice(rest, _BATCH)):
        shown = True
        if output.is_json:
            output.documents(map(document, batch))
        else:
            output.data("\n".join(_text(output, line, is_one_run=is_one_run) for line in batch))
    return shown


def _text(output: Output, line: Line, *, is_one_run: bool) -> str:
    """`2026-03-01 12:00:01.123 INFO    charge #2  message`, further lines indented."""
    paint = _PAINTS[line.level]
    level = output.paint(f"{line.level.upper():<8}", paint)
    place = f"{line.run.task} #{line.run.attempt}"
    place = place if is_one_run else f"{line.run.workflow_id} {place}"
    first, *more = whole_text(line).splitlines() or [""]
    head = f"{instant_text(line.time)} {level} {output.paint(place, 'accent')}  {first}"
    return "\n".join([head, *(f"    {part}" for part in more)])


def require_task(session: Session, directory: Path, request: Request, named: Named | None) -> None:
    """Refuse a task that neither has logged nor is declared.

    Raises:
        TaskNotFound: a mistake in typing, most likely.
    """
    task = request.task
    if task is None or (task in named.tasks if named is not None else has_task(directory, task)):
        return
    loaded = _loaded(session)
    plans = (
        [] if loaded is None else [it for it in loaded.plans.values() if named is None or it.workflow == named.workflow]
    )
    declared = {it.name for plan in plans for it in plan.tasks}
    if task in declared:
        return
    known = sorted(declared | (named.tasks if named is not None else frozenset[str]()))
    of = "" if named is None else f" of workflow {named.workflow!r}"
    close = get_close_matches(task, known, n=1, cutoff=0.5)
    hint = f"did you mean: --task {close[0]}" if close else f"there are: {', '.join(known) or 'none'}"
    raise TaskNotFound(f"no task{of} named {task!r}", hint=hint)


def _nothing(output: Output, session: Session, directory: Path, reference: str) -> int:
    """Tell a run that has logged nothing from one that does not exist.

    Raises:
        RunNotFound: it does not, as far as anybody here knows.
    """
    run = _run_on_server(session, reference)
    loaded = None if run is not None else _loaded(session)
    if run is not None or (loaded is not None and reference in loaded.workflows):
        output.talk(f"{reference} {_why_nothing(run, directory)}")
        return 0
    raise not_found(directory, reference, () if loaded is None else loaded.workflows)


def _why_nothing(run: RunSummary | None, directory: Path) -> str:
    """The oldest lines make room for new ones: of a run that began before those that are here, nobody knows."""
    since = kept_since(directory)
    is_over = run is not None and run.closed is not None
    if run is not None and (is_over if since is None else since > run.started):
        return "has no lines here: it logged nothing, or they are no longer kept ([logger] max_size)"
    return "has logged nothing" if is_over else "has logged nothing yet"


def not_found(directory: Path, reference: str, declared: Iterable[str]) -> RunNotFound:
    """Return the error, with the name that was probably meant."""
    known = find_known(directory)
    names = sorted(known.workflows | known.workflow_ids | set(declared))
    lowered = {it.lower(): it for it in names}
    close = get_close_matches(reference.lower(), lowered, n=1, cutoff=0.5)
    hint = f"did you mean: moose-cli logs {lowered[close[0]]}" if close else "moose-cli workflow history"
    return RunNotFound(f"no run or workflow named {reference!r}", hint=hint)


def _run_on_server(session: Session, reference: str) -> RunSummary | None:
    from moose_lib.operations.listing import find_run

    try:
        return session.run(lambda client: find_run(client, reference))
    except (EngineUnreachable, RunNotFound):
        return None


def _loaded(session: Session) -> LoadedProject | None:
    """Import the user's code, if there is any that can be."""
    try:
        return session.load()
    except (ImportFailed, InvalidDefinition):
        return None
