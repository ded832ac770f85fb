"""From the command line's target to a project, its settings and a connected client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from moose_lib.cli.options import Target
from moose_lib.cli.remembering import remembered_file
from moose_lib.errors import ProjectNotFound
from moose_lib.project.loader import LoadedProject, Project, find_project, load_project
from moose_lib.project.settings import Settings, load_settings

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client

__all__ = ["Session", "open_project", "open_session"]

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a command works with; `project` is None where there is none, which only some commands mind."""

    settings: Settings
    project: Project | None
    target: Target = field(default_factory=Target)

    @property
    def task_queue(self) -> str:
        """The queue of the project's workers."""
        return self.settings.temporal.task_queue

    def load(self) -> LoadedProject | None:
        """Import the user's code, if there is a project here."""
        return None if self.project is None else load_project(self.project)

    def run(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        """Connect, do the work, and return what comes out."""
        from moose_lib.operations.connecting import connected  # a third of a second that no other command has to pay

        async def connect_and_work() -> _T:
            async with connected(self.settings) as client:
                return await work(client)

        return asyncio.run(connect_and_work())


def open_session(target: Target) -> Session:
    """Find the project; without one there are still settings, and so an address."""
    here = Path.cwd()
    if target.file is not None:
        return _session(open_project(target), target)
    try:
        return _session(find_project(here, overrides=target.overrides), target)
    except ProjectNotFound:
        file = remembered_file(here)
        if file is not None:
            return _session(find_project(here, file, overrides=target.overrides), target)
    return Session(settings=load_settings(here, target.overrides), project=None, target=target)


def open_project(target: Target) -> Project:
    """Find the project.

    Raises:
        ProjectNotFound: there is none here.
    """
    return find_project(Path.cwd(), target.file, overrides=target.overrides)


def _session(project: Project, target: Target) -> Session:
    return Session(settings=project.settings, project=project, target=target)
