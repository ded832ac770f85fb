"""Resuming runs from the command line: one with everything told, or many that fit a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moose_lib.cli.dev_code import await_dev_code
from moose_lib.cli.naming import code_is_gone
from moose_lib.cli.options import Target, Wait
from moose_lib.cli.output import Output, Paint
from moose_lib.cli.selecting import ENDED_STATES, Selection
from moose_lib.cli.session import Session, open_session
from moose_lib.cli.starting import Wanted, idleness, started_lines
from moose_lib.cli.waiting import detached, follow_new, told_end
from moose_lib.cli.worker_commands import worker_commands
from moose_lib.errors import ProjectNotFound
from moose_lib.operations.documents import decisions_document, resumption_document, started_document
from moose_lib.operations.listing import find_run
from moose_lib.operations.past import read_past
from moose_lib.operations.records import ResumedRun, RunStatus
from moose_lib.operations.resume import Resumption, prepare_resume, resume_run
from moose_lib.plan.resume import Verdict
from moose_lib.project.code import code_digest

if TYPE_CHECKING:
    from moose_lib.cli.acting import Done
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunSummary
    from moose_lib.project.loader import LoadedProject

__all__ = ["Wish", "resume_many", "resume_one"]

_PAINTS: dict[Verdict, Paint | None] = {
    Verdict.KEPT: "dim",
    Verdict.RERUN: "accent",
    Verdict.ADDED: "good",
    Verdict.REMOVED: "warn",
}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How to resume: from which tasks on, only if the plan is the one that was looked at, and whether to stay."""

    asked: tuple[str, ...]
    expected: str | None
    wait: Wait


def resume_one(output: Output, target: Target, selection: Selection, wish: Wish) -> int:
    """Resume the run that the selection names, or only tell what would happen."""
    session = open_session(target)
    loaded = _load(session)
    if not selection.is_dry:
        await_dev_code(output, session, is_loaded=True)
    reference = selection.reference or ""
    started = list[ResumedRun]()

    async def work(client: Client) -> tuple[Resumption, RunStatus | str | None]:
        run = await find_run(client, selection.run_id or reference, name=reference if selection.run_id else None)
        resumption = await _prepare(client, loaded, run, wish)
        output.data(*_decision_lines(resumption, output))
        _tell_queue(output, resumption, session)
        if selection.is_dry:
            return resumption, None
        started.append(await _start(client, session, resumption))
        output.data("", *started_lines(started[0], verb="resumed"))
        wanted = Wanted(session=session, name=run.name, plan=resumption.plan, data=None, workflow_id=run.workflow_id)
        if not wish.wait.is_wanted:
            return resumption, await idleness(client, started[0], wanted)
        output.data("")
        return resumption, await follow_new(client, output, started[0], wanted, wish.wait.patience)

    try:
        resumption, end = session.run(work)
    except KeyboardInterrupt:
        return detached(output, started[0].workflow_id) if started else 130
    if isinstance(end, RunStatus):
        return told_end(output, end, started[0].ui_url)
    _tell(output, session, resumption, started[0] if started else None, wish, end)
    return 0


def resume_many(output: Output, target: Target, selection: Selection, wish: Wish) -> int:
    """Resume every selected run that can be resumed."""
    from moose_lib.cli.acting import Action, Done, act

    session = open_session(target)
    loaded = _load(session)
    if not selection.is_dry:
        await_dev_code(output, session, is_loaded=True)

    async def rehearse(client: Client, run: RunSummary) -> Done:
        resumption = await _prepare(client, loaded, run, wish)
        return Done(text=_counts(resumption), facts=decisions_document(resumption))

    async def perform(client: Client, run: RunSummary) -> Done:
        resumption = await _prepare(client, loaded, run, wish)
        started = await _start(client, session, resumption)
        text, facts = f"resumed as {started.run_id}: {_counts(resumption)}", decisions_document(resumption)
        return Done(text=text, facts={"resumed_as": started.run_id, **facts})

    action = Action(perform=perform, would="would be resumed", default_states=ENDED_STATES, rehearse=rehearse)
    return act(output, target, selection, action)


def _load(session: Session) -> LoadedProject:
    loaded = session.load()
    if loaded is None:
        raise ProjectNotFound(
            "a run is resumed with the code of now, and there is no project here",
            hint="cd into the project, or add --file FILE",
        )
    return loaded


async def _prepare(client: Client, loaded: LoadedProject, run: RunSummary, wish: Wish) -> Resumption:
    workflow = loaded.workflows.get(run.name)
    if workflow is None:
        raise code_is_gone(run.workflow_id, run.name)
    past = await read_past(client, run)
    return prepare_resume(
        past,
        workflow,
        loaded.plans[run.name],
        code=code_digest(loaded.project.root),
        asked=wish.asked,
        expected=wish.expected,
    )


async def _start(client: Client, session: Session, resumption: Resumption) -> ResumedRun:
    from moose_lib.operations.connecting import ui_of

    ui = ui_of(client, session.settings)
    return await resume_run(client, resumption, task_queue=session.task_queue, ui=ui)


def _decision_lines(resumption: Resumption, output: Output) -> list[str]:
    """A line per task: what happens to it, and why."""
    status = resumption.past.status
    width = max(len(each.task) for each in resumption.decided)
    title = f"Resuming {status.workflow_id} ({status.state.value.replace('_', ' ')}, run {status.run_id})"
    lines = [output.paint(title, "strong")]
    for each in resumption.decided:
        line = f"  {each.verdict.value:<7}  {each.task:<{width}}  {each.reason}"
        lines.append(output.paint(line, _PAINTS[each.verdict]))
    return [*lines, f"Plan {resumption.hash}: {_counts(resumption)}"]


def _tell_queue(output: Output, resumption: Resumption, session: Session) -> None:
    """Say that the workers of another task queue will have it."""
    old, new = resumption.past.task_queue, session.task_queue
    if old != new:
        add = worker_commands(session, old).queue.strip()
        output.note(f"it ran on task queue {old!r}, and is resumed on {new!r}; to keep it there, add {add}")


def _counts(resumption: Resumption) -> str:
    """`2 kept, 1 re-run, 1 added`."""
    verdicts = [each.verdict for each in resumption.decided]
    return ", ".join(f"{verdicts.count(verdict)} {verdict.value}" for verdict in Verdict if verdict in verdicts)


def _tell(
    output: Output, session: Session, resumption: Resumption, started: ResumedRun | None, wish: Wish, idle: str | None
) -> None:
    if output.is_json:
        run = None if started is None else started_document(started, has_worker=idle is None)
        told = resumption_document(resumption, task_queue=session.task_queue)
        output.document({"dry_run": started is None, **told, "run": run})
    if idle is not None:
        output.note(idle)
        output.hint(worker_commands(session, session.task_queue).hint)
    elif output.is_json:
        return
    elif started is None:
        asked = "".join(f" --from {name}" for name in wish.asked)
        output.hint(f"moose-cli workflow resume {resumption.past.status.run_id}{asked} --plan {resumption.hash}")
    else:
        output.hint(f"moose-cli workflow status {started.workflow_id} --watch")
