"""The times of a schedule that has jitter, as the server tells them."""

from __future__ import annotations

import secrets
from datetime import timedelta
from itertools import pairwise

from temporalio.client import Client

from moose_lib.dmv2 import Schedule
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.schedule_records import Owner
from moose_lib.operations.schedules import read_answer
from moose_lib.operations.slots import lead_of, next_times, time_before
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.schedule import plan_schedule


async def test_the_time_before_is_found_though_it_was_declared_long_before(client: Client) -> None:
    """Or else a run of the last time alone would begin with the one before, and `overlap` would skip the last."""
    name = f"Jittery{secrets.token_hex(4)}"
    schedule = plan_schedule(Schedule(every="15s", jitter="10s", paused=True), None)
    task = PlannedTask(name="a", source=Source(kind="nothing"), timeout=None, retries=0)
    plans = {name: Plan(workflow=name, start="a", tasks=(task,), schedule=schedule)}
    owner = Owner(project=name, task_queue=name)
    await reconcile(client, plans, owner, removes=True)
    answer = await read_answer(client, name)
    assert answer is not None
    spec = answer.schedule.spec
    lead = lead_of(spec)

    times = await next_times(client, f"moose-{name}", 200, lead=lead)
    near = [(before, time) for before, time in pairwise(times) if time - before <= timedelta(seconds=10)]
    found = [await time_before(client, f"moose-{name}", spec, time) for _, time in near]

    assert near, "of 200 times, some 25 come within ten seconds of the one before"
    assert found == [before for before, _ in near]
    await reconcile(client, {}, owner, removes=True)
