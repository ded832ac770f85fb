"""Doing something to one run or to many, and telling of each what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from moose_lib.cli.naming import workflow_not_found
from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.selecting import Selection, selected_runs
from moose_lib.cli.session import Session, open_session
from moose_lib.cli.typed import typed_command
from moose_lib.errors import GaveUpWaiting, MooseError

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.records import RunSummary

__all__ = ["Action", "Done", "act"]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of it: a sentence that goes on after the run's id, and more keys for its JSON."""

    text: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON


Perform: TypeAlias = "Callable[[Client, RunSummary], Awaitable[Done]]"
Rehearse: TypeAlias = "Callable[[Client, RunSummary], Awaitable[Done]]"
Begin: TypeAlias = "Callable[[Client, RunSummary], Awaitable[None]]"


@dataclass(frozen=True, kw_only=True)
class Action:
    """A verb: what it does to a run, what a dry run says of one, and which states it is for if none are named.

    `begin` is done to all of the runs before `perform` is to any. `rehearse` tells for a dry run what would come of
    it, and raises what `perform` would.
    """

    perform: Perform
    would: str
    default_states: Sequence[str]
    begin: Begin | None = None
    rehearse: Rehearse | None = None


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    run: RunSummary
    done: Done | None = None
    error: MooseError | None = None


def act(output: Output, target: Target, selection: Selection, action: Action) -> int:
    """Do it to every selected run; with several, one that refuses does not stop the others, and the exit code is 1.

    Raises:
        WorkflowNotFound: no run fits, and nobody knows the workflow that was named.
    """
    session = open_session(target)

    async def work(client: Client) -> list[_Outcome]:
        selected = await selected_runs(client, session, selection, default_states=action.default_states)
        outcomes = list[_Outcome]()
        if action.begin is not None and not selection.is_dry:
            for run in selected.runs:
                await action.begin(client, run)
        for run in selected.runs:
            outcomes.append(await _outcome(client, run, action, selection))
            _tell(output, outcomes[-1])
        if not outcomes:
            await _check_name(client, session, selection.workflow)
            if not output.is_json:
                output.talk(_none_text(selected.superseded))
        return outcomes

    outcomes = session.run(work)
    if output.is_json:
        output.document({"dry_run": selection.is_dry, "runs": [_document(outcome) for outcome in outcomes]})
    return _exit_code([outcome.error for outcome in outcomes if outcome.error is not None])


def _exit_code(errors: Sequence[MooseError]) -> int:
    """That of the errors, if nobody waited long enough for any of the runs; 1 if something else came between."""
    if errors and all(isinstance(error, GaveUpWaiting) for error in errors):
        return GaveUpWaiting.exit_code
    return 1 if errors else 0


async def _check_name(client: Client, session: Session, name: str | None) -> None:
    """A workflow that the project declares, or that has run, may have no such runs; another name is a mistake."""
    from moose_lib.operations.listing import list_names, list_runs

    if name is None or await list_runs(client, task_queue=session.task_queue, name=name, limit=1):
        return
    declared = set[str]()
    with suppress(MooseError):  # code that does not load declares nothing
        loaded = session.load()
        declared = set[str]() if loaded is None else set(loaded.workflows)
    if name not in declared:
        known = declared | set(await list_names(client, task_queue=session.task_queue))
        raise workflow_not_found(name, known, f"{typed_command(without=['workflow'])} --workflow")


def _none_text(superseded: int) -> str:
    if not superseded:
        return "no such runs"
    return (
        f"no such runs left: {superseded} would fit, but went on in newer runs with the same ids (resumed, or started)"
    )


async def _outcome(client: Client, run: RunSummary, action: Action, selection: Selection) -> _Outcome:
    try:
        if selection.is_dry:
            return _Outcome(run=run, done=await _would(client, run, action, selection))
        return _Outcome(run=run, done=await action.perform(client, run))
    except MooseError as error:
        if not selection.is_bulk and not selection.every:
            raise
        return _Outcome(run=run, error=error)


async def _would(client: Client, run: RunSummary, action: Action, selection: Selection) -> Done:
    """`failed, would be resumed`; the verbs for parked tasks say of a run without any that nothing would be done."""
    from moose_lib.operations.parked import parked_runs

    facts = {"state": run.state.value}
    if "parked" in action.default_states:
        is_parked = selection.is_bulk or bool(await parked_runs(client, [run]))
        text = f"parked, {action.would}" if is_parked else f"{run.state.words}, and no task of it is parked"
        return Done(text=text, facts=facts)
    text = f"{run.state.words}, {action.would}"
    if action.rehearse is None:
        return Done(text=text, facts=facts)
    rehearsed = await action.rehearse(client, run)
    return Done(text=f"{text}: {rehearsed.text}", facts=facts | rehearsed.facts)


def _tell(output: Output, outcome: _Outcome) -> None:
    if outcome.done is not None:
        output.data(f"'{outcome.run.workflow_id}' {outcome.done.text}")
    elif outcome.error is not None:
        output.error(outcome.error.message)


def _document(outcome: _Outcome) -> dict[str, Any]:  # Any: JSON
    run = outcome.run
    document: dict[str, Any] = {"name": run.name, "workflow_id": run.workflow_id, "run_id": run.run_id}  # Any: JSON
    document["error"] = None if outcome.error is None else outcome.error.message
    return document if outcome.done is None else document | outcome.done.facts
