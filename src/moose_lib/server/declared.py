"""The project's workflows by name, for requests that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from moose_lib.dmv2.workflow import Workflow
from moose_lib.errors import WorkflowNotFound
from moose_lib.plan.model import Plan
from moose_lib.project.loader import LoadedProject
from moose_lib.project.taking import NOT_TAKEN, is_taking, is_worker_ahead, is_worker_behind
from moose_lib.server.refusals import CodeBehind, TakingCode

__all__ = ["Declared"]


class Declared:
    """What the code of now declares."""

    def __init__(self, project: LoadedProject) -> None:
        self._project = project

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._project.project.root

    @property
    def project(self) -> str:
        """The project's name, by which its schedules are known."""
        return self._project.project.name

    @property
    def all(self) -> Sequence[tuple[Workflow, Plan]]:
        """All workflows with their plans, by name."""
        return [(self._project.workflows[name], self._project.plans[name]) for name in sorted(self._project.plans)]

    def require_current(self) -> None:
        """Refuse what is about the code of now, while this process has the code of before.

        Raises:
            TakingCode: `moose-cli dev` is about to replace it.
            CodeBehind: it is not, as the next server did not start; the worker may not know the tasks of before.
        """
        if is_taking(self.root, self._project.since):
            raise TakingCode
        if is_worker_ahead(self.root, self._project.since):
            raise CodeBehind

    def note(self) -> Mapping[str, str]:
        """A `note` for the answer of what `require_current` lets through, where `dev` has refused what was saved."""
        return {"note": NOT_TAKEN} if is_worker_behind(self.root) else {}

    def plan(self, name: str) -> Plan:
        """The plan of a workflow.

        Raises:
            WorkflowNotFound: there is no such workflow.
        """
        plan = self._project.plans.get(name)
        if plan is None:
            raise self._missing(name)
        return plan

    def workflow(self, name: str) -> Workflow:
        """A workflow; raises as `plan` does."""
        return self._project.workflows[self.plan(name).workflow]

    def _missing(self, name: str) -> WorkflowNotFound:
        names = sorted(self._project.plans)
        lowered = {it.lower(): it for it in names}
        close = get_close_matches(name.lower(), lowered, n=1)
        meant = f" (did you mean {lowered[close[0]]}?)" if close else ""
        return WorkflowNotFound(f"no workflow named {name!r}{meant}; there are: {', '.join(names) or 'none'}")
