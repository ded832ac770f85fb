"""A worker and its project's schedules: bring them to the server at the start, then catch up what was missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moose_lib.cli.schedule_text import change_line, change_notes, next_text, take_over_hints
from moose_lib.errors import MooseError
from moose_lib.operations.catchup import keep_caught_up
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.rpc import told_by_server
from moose_lib.operations.schedule_records import Change, ChangeKind, Owner

if TYPE_CHECKING:
    from moose_lib.cli.output import Output
    from moose_lib.operations.connecting import Client
    from moose_lib.project.loader import LoadedProject, Project

__all__ = ["Brought", "bring_schedules", "catching_up", "owner_of"]


_NEWS = (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED)


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What there is to say of the schedules: each one's times, what was done, and what went wrong."""

    schedules: dict[str, str] = field(default_factory=dict[str, str])
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str | None:
        """`schedules: Nightly added, next …; Weekly unchanged, next …`; `None` if there are none."""
        return _line(self.changes)

    @property
    def news(self) -> str | None:
        """The same, of those that have changed."""
        return _line([change for change in self.changes if change.kind in _NEWS])

    def tell(self, output: Output) -> None:
        """Say it to whoever started a worker."""
        if self.line is not None:
            output.data(self.line)
        for note in self.notes:
            output.note(note)


def owner_of(project: Project) -> Owner:
    """Who declares the schedules of a project."""
    return Owner(project=project.name, task_queue=project.settings.temporal.task_queue)


async def bring_schedules(client: Client, loaded: LoadedProject) -> Brought:
    """Bring the declared schedules to the server, as `[worker] schedules` says; what goes wrong is told, no more."""
    declared = {plan.workflow: plan.schedule for plan in loaded.plans.values() if plan.schedule is not None}
    mode = loaded.project.settings.worker.schedules
    if mode == "off":
        return Brought(schedules={name: str(schedule) for name, schedule in declared.items()})
    try:
        with told_by_server(client):
            changes = await reconcile(client, loaded.plans, owner_of(loaded.project), removes=mode == "sync")
    except MooseError as error:
        return Brought(
            schedules={name: str(schedule) for name, schedule in declared.items()},
            notes=(f"schedules are not deployed: {error.message}",) if declared else (),
        )
    return Brought(
        schedules={change.workflow: _text(change) for change in changes if change.workflow in declared},
        changes=tuple(change for change in changes if change.kind not in (ChangeKind.LEFT, ChangeKind.FOREIGN)),
        notes=(*change_notes(changes), *take_over_hints(changes)),
    )


def _line(changes: Sequence[Change]) -> str | None:
    return f"schedules: {'; '.join(map(change_line, changes))}" if changes else None


def _text(change: Change) -> str:
    if change.schedule is None:
        return "not deployed"
    if change.schedule.paused and change.is_paused:
        return str(change.schedule)  # which says so
    return f"{change.schedule}, {next_text(change.next_time, change.schedule.timezone, is_paused=change.is_paused)}"


@asynccontextmanager
async def catching_up(client: Client, loaded: LoadedProject) -> AsyncGenerator[None]:
    """While open, look after the schedules whose last missed time is to be caught up."""
    names = [
        plan.workflow for plan in loaded.plans.values() if plan.schedule is not None and plan.schedule.catchup == "last"
    ]
    is_off = loaded.project.settings.worker.schedules == "off"
    keeping = asyncio.create_task(keep_caught_up(client, loaded.project.name, () if is_off else tuple(names)))
    try:
        yield
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
