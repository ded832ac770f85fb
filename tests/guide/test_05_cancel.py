"""A run can be canceled at any time: running code is told, and a task may clean up after itself."""

from __future__ import annotations

import asyncio

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.testing import run_local

deleted: list[str] = []


async def export(ctx: TaskContext[None]) -> None:
    ctx.state["file"] = f"export-{ctx.run.attempt}.csv"
    ctx.logger.info("exporting")
    await asyncio.sleep(3600)


async def delete_file(ctx: TaskContext[None]) -> None:
    deleted.append(ctx.state["file"])


async def announce() -> None:
    """Tell everybody that the export is there."""


announce_task = Task[None, None](name="announce", config=TaskConfig(run=announce))
export_task = Task[None, None](
    name="export", config=TaskConfig(run=export, on_cancel=delete_file, on_complete=[announce_task], timeout="2h")
)
nightly = Workflow(name="GuideExport", config=WorkflowConfig(starting_task=export_task))


def test_on_cancel_runs_with_the_state_of_the_canceled_attempt() -> None:
    """A handler that takes a `TaskContext` shares `ctx.state` with its `on_cancel`."""
    deleted.clear()
    run = run_local(nightly, cancel_at="10m")

    assert run.state == "canceled"
    assert deleted == ["export-1.csv"]


def test_what_has_not_started_never_does() -> None:
    """Tasks after the canceled one are skipped."""
    run = run_local(nightly, cancel_at="10m")

    assert run.task("export").state == "canceled"
    assert run.task("announce").state == "skipped"


def test_a_run_that_is_over_cannot_be_canceled() -> None:
    """The time to cancel has passed: the run stays completed, and nothing is cleaned up."""
    deleted.clear()
    run = run_local(nightly, cancel_at="3h")

    assert run.state == "completed"
    assert deleted == []
