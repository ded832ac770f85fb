"""Which runs a verb for many is about."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from tests.integration.engine.steering import Desk, the_run, until_parked
from tests.integration.engine.support import Engine, Handle, failure, result, until
from tests.integration.operations.resuming import Clerk, named

from moose_lib.operations.listing import list_runs
from moose_lib.operations.parked import parked_runs
from moose_lib.operations.records import RunState
from moose_lib.operations.selecting import RunFilter, select_runs


async def test_runs_are_selected_by_workflow_state_and_age(engine: Engine) -> None:
    """Newest first; a run that was resumed is the past of another one."""
    desk, queue = Desk(), engine.settings.temporal.task_queue
    desk.broken.add("second")
    failing, fine = desk.chain(named("Chosen"), "first", "second"), desk.chain(named("Fine"), "first")
    parking = desk.chain(named("Held"), "second", on_failure="park")
    async with engine.worker(failing, fine, parking):
        runs = [await engine.start(failing, {"value": n}) for n in range(3)]
        for run in runs:
            await failure(run)
        good = await engine.start(fine, {"value": 1})
        await result(good)
        held = await engine.start(parking, {"value": 1})
        await until_parked(engine, held, "second")
        desk.broken.clear()
        await Clerk(engine).end(await Clerk(engine).resume(runs[0], failing))

        async def is_listed() -> bool:
            listed = await list_runs(engine.client, task_queue=queue)
            states = Counter(run.state for run in listed)
            return len(listed) == 6 and (states[RunState.FAILED], states[RunState.COMPLETED]) == (3, 2)

        await until(is_listed)

        async def chosen(**wanted: object) -> list[str]:
            found = await select_runs(engine.client, RunFilter(**wanted), task_queue=queue)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each has a type of its own
            return [run.workflow_id for run in found.runs]

        ids = [run.id for run in runs]
        assert await chosen(states=(RunState.FAILED,)) == [ids[2], ids[1]]
        assert await chosen(workflow=failing.name) == [ids[0], ids[2], ids[1]]
        assert await chosen(workflow=failing.name, states=(RunState.COMPLETED,)) == [ids[0]]
        assert set(await chosen()) == {*ids, good.id, held.id}
        assert set(await chosen(since=timedelta(hours=1))) == {*ids, good.id, held.id}
        assert await chosen(since=timedelta(0)) == []
        assert await parked_ids(engine, [good, held]) == [held.id]
        await held.terminate()


async def parked_ids(engine: Engine, handles: list[Handle]) -> list[str]:
    runs = [await the_run(engine, handle) for handle in handles]
    return [run.workflow_id for run in await parked_runs(engine.client, runs)]
