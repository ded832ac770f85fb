"""The runs that a verb is about, as the command line says: one by its reference, or all that fit a filter."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from moose_lib.cli.typed import typed_command
from moose_lib.durations import parse_age
from moose_lib.errors import AmbiguousRun

if TYPE_CHECKING:
    from moose_lib.cli.session import Session
    from moose_lib.operations.connecting import Client
    from moose_lib.operations.selecting import SelectedRuns

__all__ = ["ENDED_STATES", "OPEN_STATES", "Selection", "one_run", "selected_runs", "selection_options"]

_Command = Callable[..., Any]  # Any: a command's parameters are its options

OPEN_STATES = ("running",)
ENDED_STATES = ("failed", "canceled", "terminated", "timed_out")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the command line says; with `reference` it is about one run (or, with `every`, all open ones of a name)."""

    reference: str | None
    run_id: str | None
    every: bool
    states: tuple[str, ...]
    workflow: str | None
    since: timedelta | None
    is_dry: bool

    @property
    def is_bulk(self) -> bool:
        """It is about all the runs that fit a filter."""
        return self.reference is None


class _State(click.Choice[str]):
    """A state of runs; whoever asks an open run's verb to act on ended ones is told of the verb for those."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # Any: as click's
        """Take one of the choices."""
        if value in ENDED_STATES and value not in self.choices:
            self.fail(
                f"these runs have ended; to go on with them: moose-cli workflow resume --status {value}", param, ctx
            )
        return super().convert(value, param, ctx)


def selection_options(*, states: Sequence[str], is_for_open: bool = True) -> Callable[[_Command], _Command]:
    """Add the options that make a `Selection`, and hand it over as `selection`; bulk verbs are about these `states`.

    A verb that is not `is_for_open` runs has no `--all`.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def with_selection(*args: Any, **options: Any) -> Any:  # Any: as above
            names = ("reference", "run_id", "states", "workflow", "since", "is_dry")
            said = {name: options.pop(name) for name in names}
            return command(*args, selection=_selection(every=options.pop("every", False), **said), **options)

        for option in (
            click.option("--dry-run", "is_dry", is_flag=True, help="Only list the runs."),
            click.option("--since", metavar="DURATION", help="Started or ended within this time, as 2h or 7d."),
            click.option("--workflow", metavar="NAME", help="Many at once: runs of this workflow."),
            click.option(
                "-s",
                "--status",
                "states",
                type=_State(states),
                multiple=True,
                help="Many at once: runs in this state.",
            ),
            *([click.option("--all", "every", is_flag=True, help="All open runs of NAME.")] if is_for_open else []),
            click.option("--id", "run_id", metavar="RUN", help="Which run of NAME: a run id or a workflow id."),
            click.argument("reference", metavar="[NAME|RUN]", required=False),
        ):
            with_selection = option(with_selection)
        return with_selection

    return decorate


def _selection(*, since: str | None, **said: Any) -> Selection:  # Any: as above
    selection = Selection(since=None if since is None else parse_age(since), **said)
    has_filter = bool(selection.states or selection.workflow or selection.since)
    if selection.is_bulk and not has_filter:
        raise click.UsageError("name a run, or say which ones: --status STATE, --workflow NAME, --since DURATION")
    if not selection.is_bulk and has_filter:
        raise click.UsageError("--status, --workflow and --since are for many runs; name one run, or use these")
    return selection


def one_run(reference: str) -> Selection:
    """About the one run that `reference` names."""
    return Selection(reference=reference, run_id=None, every=False, states=(), workflow=None, since=None, is_dry=False)


async def selected_runs(
    client: Client, session: Session, selection: Selection, *, default_states: Sequence[str]
) -> SelectedRuns:
    """Find the runs; open ones for a reference.

    Raises:
        RunNotFound: no run has this name or id.
        RunNotOpen: the run has ended.
        AmbiguousRun: several are open and all of them were not asked for.
    """
    from moose_lib.operations.control import select_open_runs
    from moose_lib.operations.parked import parked_runs
    from moose_lib.operations.records import RunState
    from moose_lib.operations.selecting import RunFilter, SelectedRuns, select_runs

    if selection.reference is None:
        said = selection.states or default_states
        states = tuple(RunState.RUNNING if state == "parked" else RunState(state) for state in said)
        wanted = RunFilter(workflow=selection.workflow, states=states, since=selection.since)
        selected = await select_runs(client, wanted, task_queue=session.task_queue)
        return SelectedRuns(runs=await parked_runs(client, selected.runs)) if "parked" in said else selected
    try:
        runs = await select_open_runs(client, selection.reference, run_id=selection.run_id, every=selection.every)
    except AmbiguousRun as error:
        hint = f"{typed_command(without=['run_id'])} {error.runs[0]}   or, for all of them, add --all"
        raise AmbiguousRun(selection.reference, error.runs, hint=hint) from None
    return SelectedRuns(runs=runs)
