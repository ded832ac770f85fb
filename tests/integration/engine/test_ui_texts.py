"""What Temporal's own UI finds of a run: summaries, the graph, and what an open run waits for."""

from __future__ import annotations

from collections import Counter

from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.common import RawValue
from tests.integration.engine.steering import Desk, the_run, until_parked, until_status
from tests.integration.engine.support import Engine, Handle, failure

from moose_lib.dmv2.workflow import Workflow
from moose_lib.operations.decisions import give_up_run, pause_run, retry_task, unpause_run
from moose_lib.operations.runs import start_run
from moose_lib.plan.build import compile_workflow


async def current_details(handle: Handle) -> str:
    """What the UI asks the worker for."""
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def begun(engine: Engine, workflow: Workflow) -> Handle:
    """A run that our own clients started."""
    plan, queue = compile_workflow(workflow), engine.settings.temporal.task_queue
    run = await start_run(engine.client, plan, b'{"value": 1}', task_queue=queue)
    return engine.client.get_workflow_handle(
        run.workflow_id, run_id=run.run_id, first_execution_run_id=run.run_id, result_type=RawValue
    )


async def test_a_run_shows_its_graph_and_each_task_its_source(engine: Engine) -> None:
    """An ordinary run has nothing more in its history than its tasks."""
    workflow = Desk().chain("UiChain", "first", "second")
    async with engine.worker(workflow):
        handle = await begun(engine, workflow)
        await handle.result()
        described = await handle.describe()
        summary, details = await described.static_summary(), await described.static_details()
        assert await current_details(handle) == ""

    assert summary == "first → second"
    assert details == "```text\nfirst ← the run's input\n└─ second ← first\n```"
    events = (await handle.fetch_history()).events
    scheduled = [event for event in events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    assert [event.user_metadata.summary.data.decode() for event in scheduled] == [
        '"from the run\'s input"',
        '"from first"',
    ]
    kinds = {EventType.Name(kind).rsplit("_", 1)[0] for kind in Counter(event.event_type for event in events)}
    assert kinds == {"EVENT_TYPE_WORKFLOW_EXECUTION", "EVENT_TYPE_WORKFLOW_TASK", "EVENT_TYPE_ACTIVITY_TASK"}


async def test_a_run_that_waits_for_people_shows_the_commands(engine: Engine) -> None:
    """As long as it waits; in the end it says what failed."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain("UiParked", "first", "second", on_failure="park")
    async with engine.worker(workflow):
        handle = await begun(engine, workflow)
        await until_parked(engine, handle, "second")
        assert f"moose-cli workflow retry {handle.id} second" in await current_details(handle)
        run = await the_run(engine, handle)
        await pause_run(engine.client, run)
        await until_status(engine, handle, lambda status: status.is_paused)
        assert f"**Paused**: no further task starts until\n\n```sh\nmoose-cli workflow unpause {handle.id}" in (
            await current_details(handle)
        )
        desk.broken.clear()
        await unpause_run(engine.client, run)
        await retry_task(engine.client, run, "second")
        await handle.result()
        assert await current_details(handle) == ""

        desk.broken.add("second")
        handle = await begun(engine, workflow)
        await until_parked(engine, handle, "second")
        await give_up_run(engine.client, await the_run(engine, handle))
        await failure(handle)
        assert f"moose-cli workflow resume {handle.run_id} --dry-run" in await current_details(handle)
