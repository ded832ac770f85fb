"""Names that do not exist, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from moose_lib.errors import WorkflowNotFound

__all__ = ["code_is_gone", "workflow_not_found"]


def code_is_gone(run: str, name: str) -> WorkflowNotFound:
    """Return the error for a run of a workflow that was renamed or removed since."""
    text = f"run {run!r} is of workflow {name!r}, which the code of now does not declare"
    return WorkflowNotFound(text, hint="moose-cli workflow list")


def workflow_not_found(name: str, known: Iterable[str], command: str) -> WorkflowNotFound:
    """Return the error for a workflow that is not declared; the hint is `command` with the name that was meant."""
    names = sorted(known)
    lowered = {it.lower(): it for it in names}
    close = get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    if close:
        return WorkflowNotFound(f"no workflow named {name!r}", hint=f"did you mean: {command} {lowered[close[0]]}")
    if names:
        there_are = ", ".join(names)
        return WorkflowNotFound(f"no workflow named {name!r}; there are: {there_are}", hint="moose-cli workflow list")
    return WorkflowNotFound(f"no workflow named {name!r}; none is declared", hint="moose-cli check")
