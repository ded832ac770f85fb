"""What Temporal knows about the workflows of a project, for a list that is shown without it, too."""

from __future__ import annotations

from collections.abc import Sequence

from moose_lib.cli.session import Session
from moose_lib.cli.status_text import run_state_text
from moose_lib.errors import MooseError
from moose_lib.operations import declared
from moose_lib.operations.declared import Known
from moose_lib.plan.model import Plan

__all__ = ["known_about", "standing"]


def known_about(session: Session, plans: Sequence[Plan]) -> Known:
    """Ask the server; nobody has to answer."""
    if not plans:
        return Known.nothing()
    try:
        project = None if session.project is None else session.project.name
        return session.run(
            lambda client: declared.ask_about(client, plans, task_queue=session.task_queue, project=project)
        )
    except MooseError as error:
        return Known.nothing(error.message)


def standing(known: Known, workflow: str) -> str:
    """How the last run of a workflow stands, in a word: `completed`, `parked`; `-` if there is none."""
    run, status = known.runs.get(workflow), known.open.get(workflow)
    if status is not None:
        return run_state_text(status)
    return "-" if run is None else run.state.words
