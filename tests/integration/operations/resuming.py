"""Resuming runs in this process: the workflow of now stands for the code of now."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.integration.engine.support import Engine, Handle

from moose_lib.dmv2.workflow import Workflow
from moose_lib.operations.following import follow_run
from moose_lib.operations.listing import find_run
from moose_lib.operations.past import read_past
from moose_lib.operations.records import ResumedRun, RunStatus, RunSummary
from moose_lib.operations.resume import Resumption, prepare_resume, resume_run
from moose_lib.plan.build import compile_workflow

#: The tasks of most runs that are resumed, one after the other.
CHAIN = ("first", "second", "third")


def named(name: str) -> str:
    """A name no other test uses: they share the server."""
    return f"{name}{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Clerk:
    """Looks at a run and resumes it."""

    engine: Engine

    async def prepare(
        self,
        run: Handle | RunSummary | str,
        workflow: Workflow,
        *,
        asked: Iterable[str] = (),
        code: str = "code",
        expected: str | None = None,
    ) -> Resumption:
        """What would be done."""
        summary = run if isinstance(run, RunSummary) else await find_run(self.engine.client, _reference(run))
        past = await read_past(self.engine.client, summary)
        return prepare_resume(past, workflow, compile_workflow(workflow), code=code, asked=asked, expected=expected)

    async def start(self, resumption: Resumption) -> ResumedRun:
        """Start what was prepared."""
        return await resume_run(
            self.engine.client, resumption, task_queue=self.engine.settings.temporal.task_queue, ui="http://ui"
        )

    async def resume(self, run: Handle | str, workflow: Workflow, *, asked: Iterable[str] = ()) -> ResumedRun:
        """Look and resume."""
        return await self.start(await self.prepare(run, workflow, asked=asked))

    async def end(self, run: ResumedRun | Handle) -> RunStatus:
        """How a run ended."""
        run_id = run.run_id if isinstance(run, ResumedRun) else run.first_execution_run_id
        workflow_id = run.workflow_id if isinstance(run, ResumedRun) else run.id
        assert run_id is not None
        return await follow_run(self.engine.client, workflow_id, run_id, lambda _: None)

    def handle(self, run: ResumedRun) -> Any:  # Any: a workflow's handle
        """The handle of a run that was started here."""
        return self.engine.client.get_workflow_handle(run.workflow_id, run_id=run.run_id)


def _reference(run: Handle | str) -> str:
    return run if isinstance(run, str) else run.id


def verdicts(resumption: Resumption) -> dict[str, str]:
    """What happens to each task, and why."""
    return {each.task: f"{each.verdict}: {each.reason}" for each in resumption.decided}
