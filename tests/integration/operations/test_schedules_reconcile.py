"""What is declared is what the server has: added, changed, removed; never more than that."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from itertools import pairwise

import pytest
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleIntervalSpec, ScheduleSpec
from temporalio.client import Schedule as TemporalSchedule

from moose_lib.dmv2 import Schedule
from moose_lib.errors import MooseError
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.schedule_records import Change, ChangeKind, DeployedSchedule, Owner
from moose_lib.operations.schedules import describe_schedule, find_schedule, list_schedules, pause_schedule
from moose_lib.operations.slots import next_times
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.plan.schedule import plan_schedule


@pytest.fixture
def owner() -> Owner:
    """A project of its own for each test: they share a server."""
    return Owner(project=f"project-{secrets.token_hex(4)}", task_queue=f"queue-{secrets.token_hex(4)}")


@pytest.fixture
async def name(client: Client) -> AsyncIterator[str]:
    """A workflow of its own, whose schedule is gone afterwards."""
    name = f"Nightly{secrets.token_hex(4)}"
    yield name
    if await find_schedule(client, name) is not None:
        await client.get_schedule_handle(f"moose-{name}").delete()


def plans(name: str, schedule: str | Schedule | None, **more: object) -> Mapping[str, Plan]:
    task = PlannedTask(name="a", source=Source(kind="nothing"), timeout=None, retries=0)
    planned = None if schedule is None else plan_schedule(schedule, None)
    return {name: Plan(workflow=name, start="a", tasks=(task,), schedule=planned).model_copy(update=more)}


async def told(client: Client, name: str, schedule: str | Schedule | None, owner: Owner, **more: object) -> str:
    changes = await reconcile(client, plans(name, schedule, **more), owner, removes=True)
    return "\n".join(map(str, mine(changes, name)))


async def test_a_schedule_that_others_keep_changing_is_given_up(
    client: Client, name: str, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries, of which here there are none."""
    monkeypatch.setattr("moose_lib.operations.reconcile._TRIES", 0)
    with pytest.raises(MooseError) as raised:
        await told(client, name, "@daily", owner)

    assert str(raised.value) == f"the schedule of {name!r} keeps changing while it is updated"
    assert raised.value.hint == "moose-cli deploy"


def mine(changes: tuple[Change, ...], name: str) -> list[Change]:
    return [change for change in changes if change.workflow == name]


async def test_a_declared_schedule_is_added_and_a_second_time_nothing_changes(
    client: Client, name: str, owner: Owner
) -> None:
    schedule = Schedule(
        cron=["30 6 * * mon-fri", "0 9 1 * 7"],
        timezone="Europe/Berlin",
        overlap="buffer_one",
        catchup="none",
        jitter="5m",
    )

    assert await told(client, name, schedule, owner) == f"{name} added"
    assert await told(client, name, schedule, owner) == f"{name} unchanged"

    found = await describe_schedule(client, name)
    assert (found.declared, found.owner) == (plan_schedule(schedule, None), owner)
    raw = (await client.get_schedule_handle(f"moose-{name}").describe()).schedule
    assert (raw.spec.time_zone_name, raw.spec.jitter) == ("Europe/Berlin", timedelta(minutes=5))
    assert (raw.policy.overlap.name, raw.policy.catchup_window) == ("BUFFER_ONE", timedelta(seconds=10))
    assert isinstance(raw.action, ScheduleActionStartWorkflow)
    assert (raw.action.workflow, raw.action.id) == (name, f"{name}-scheduled")


@pytest.mark.parametrize(
    ("overlap", "catchup", "window"),
    [
        ("skip", "last", timedelta(seconds=10)),
        ("buffer_one", "none", timedelta(seconds=10)),
        ("buffer_all", "all", timedelta(days=365)),
        ("allow_all", "last", timedelta(seconds=10)),
        ("cancel_other", "all", timedelta(days=365)),
        ("terminate_other", "none", timedelta(seconds=10)),
    ],
)
async def test_overlap_and_catchup_are_passed_on(
    client: Client, name: str, owner: Owner, overlap: str, catchup: str, window: timedelta
) -> None:
    changed: dict[str, object] = {"overlap": overlap, "catchup": catchup}
    planned = plan_schedule("@daily", None).model_copy(update=changed)
    plan = plans(name, "@daily")[name].model_copy(update={"schedule": planned})
    await reconcile(client, {name: plan}, owner, removes=True)

    policy = (await client.get_schedule_handle(f"moose-{name}").describe()).schedule.policy
    assert (policy.overlap.name.lower(), policy.catchup_window) == (overlap, window)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("90m", timedelta(minutes=90)),
        ("36h", timedelta(hours=36)),
        ("1d", timedelta(days=1)),
        ("5s", timedelta(seconds=5)),
        ("@every 7d", timedelta(days=7)),
    ],
)
async def test_an_interval_fires_exactly_as_often_as_it_says(
    client: Client, name: str, owner: Owner, text: str, interval: timedelta
) -> None:
    """The existing Moose makes 90m hourly and 36h daily, and refuses 1d."""
    await told(client, name, text, owner)

    times = await next_times(client, f"moose-{name}", 5)

    assert [later - time for time, later in pairwise(times)] == [interval] * 4


async def test_each_difference_is_brought_over_and_named(client: Client, name: str, owner: Owner) -> None:
    assert await told(client, name, "0 0 * * *", owner) == f"{name} added"
    assert await told(client, name, "36h", owner) == f"{name} changed (was 0 0 * * *)"
    schedule = Schedule(every="36h", overlap="allow_all", catchup="none", jitter="1m")
    assert await told(client, name, schedule, owner) == f"{name} changed (overlap; catchup; jitter)"
    limits: dict[str, object] = {"timeout": timedelta(hours=1), "retries": 2}
    assert await told(client, name, schedule, owner, **limits) == (f"{name} changed (timeout; retries)")
    assert await told(client, name, schedule, owner, **limits) == f"{name} unchanged"

    raw = (await client.get_schedule_handle(f"moose-{name}").describe()).schedule
    assert isinstance(raw.action, ScheduleActionStartWorkflow)
    assert raw.action.execution_timeout == timedelta(hours=1)
    assert raw.action.retry_policy is not None
    assert raw.action.retry_policy.maximum_attempts == 3


async def test_what_is_no_longer_declared_is_removed(client: Client, name: str, owner: Owner) -> None:
    """Whether the schedule has gone, or the workflow as a whole."""
    await told(client, name, "@daily", owner)
    await listed(client, name)

    assert await told(client, name, None, owner) == f"{name} removed"
    assert await find_schedule(client, name) is None


async def test_a_dry_run_tells_and_does_nothing(client: Client, name: str, owner: Owner) -> None:
    first = await reconcile(client, plans(name, "@daily"), owner, removes=True, is_dry=True)
    assert [change.kind for change in mine(first, name)] == [ChangeKind.ADDED]
    assert await find_schedule(client, name) is None

    await told(client, name, "@daily", owner)
    second = await reconcile(client, plans(name, "@hourly"), owner, removes=True, is_dry=True)
    assert [str(change) for change in mine(second, name)] == [f"{name} changed (was @daily)"]
    await listed(client, name)
    third = await reconcile(client, {}, owner, removes=True, is_dry=True)
    assert [change.kind for change in mine(third, name)] == [ChangeKind.REMOVED]
    assert (await describe_schedule(client, name)).declared == plan_schedule("@daily", None)


async def test_a_worker_leaves_what_it_does_not_know(client: Client, name: str, owner: Owner) -> None:
    """In a rolling deployment a worker with the code of before must not remove what the new one has added."""
    await told(client, name, "@daily", owner)
    await listed(client, name)

    changes = await reconcile(client, {}, owner, removes=False)

    assert [change.kind for change in mine(changes, name)] == [ChangeKind.LEFT]
    assert await find_schedule(client, name) is not None


async def test_schedules_of_others_are_left_alone(client: Client, name: str, owner: Owner) -> None:
    """Those of another project on the same server, and those that no project of ours has made."""
    other = Owner(project="other", task_queue="others")
    await told(client, name, "@daily", other)
    await listed(client, name)

    assert await told(client, name, None, owner) == ""
    assert await told(client, name, "@hourly", owner) == (
        f"{name} foreign (it belongs to project 'other' with task queue 'others')"
    )
    assert (await describe_schedule(client, name)).owner == other


async def test_a_schedule_that_somebody_made_by_hand_is_left_alone(client: Client, name: str, owner: Owner) -> None:
    action = ScheduleActionStartWorkflow("Theirs", id="theirs", task_queue="theirs")
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
    await client.create_schedule(f"moose-{name}", TemporalSchedule(action=action, spec=spec))

    assert await told(client, name, "@daily", owner) == (
        f"{name} foreign (its id is taken by a schedule that was not made by moose-cli)"
    )
    found = await describe_schedule(client, name)
    assert (found.workflow, found.declared, found.owner) == ("Theirs", None, None)


async def test_a_project_with_another_queue_keeps_its_schedules(client: Client, name: str, owner: Owner) -> None:
    await told(client, name, "@daily", owner)
    moved = Owner(project=owner.project, task_queue=f"{owner.task_queue}-2")

    assert await told(client, name, "@daily", moved) == f"{name} changed (task queue was {owner.task_queue})"
    assert (await describe_schedule(client, name)).owner == moved


async def test_a_renamed_project_takes_its_schedules_over_when_it_says_its_old_name(
    client: Client, name: str, owner: Owner
) -> None:
    """By itself it would be any other project with the same queue. What it no longer declares is removed."""
    renamed = Owner(project=f"{owner.project}-2", task_queue=owner.task_queue)
    await told(client, name, "@daily", owner)
    [change] = mine(await reconcile(client, plans(name, "@hourly"), renamed, removes=True), name)
    assert str(change) == (
        f"{name} foreign (it belongs to project {owner.project!r} with task queue {owner.task_queue!r})"
    )
    assert change.owner == owner
    await listed(client, name)
    assert mine(await reconcile(client, plans(name, None), renamed, removes=True), name) == []
    assert (await describe_schedule(client, name)).declared == plan_schedule("@daily", None)

    former = owner.project
    [taken] = mine(await reconcile(client, plans(name, "@daily"), renamed, removes=True, former=former), name)
    assert str(taken) == f"{name} changed (project was {former})"
    assert (await describe_schedule(client, name)).owner == renamed
    await told(client, name, "@daily", Owner(project=former, task_queue=owner.task_queue))  # in vain
    [removed] = mine(await reconcile(client, {}, renamed, removes=True), name)
    assert removed.kind is ChangeKind.REMOVED


async def test_what_another_project_has_is_not_removed_when_it_was_not_taken_over(
    client: Client, name: str, owner: Owner
) -> None:
    """With the same queue; a later removal of the declaration is no removal of theirs."""
    other = Owner(project=f"{owner.project}-2", task_queue=owner.task_queue)
    await told(client, name, "@daily", owner)
    await told(client, name, "@daily", other)
    await listed(client, name)

    assert await told(client, name, None, other) == ""
    assert (await describe_schedule(client, name)).owner == owner


async def test_a_dry_run_tells_the_next_time_of_the_schedule_that_would_be(
    client: Client, name: str, owner: Owner
) -> None:
    await told(client, name, "0 0 1 1 *", owner)
    changed = Schedule(cron="0 0 2 1 *")

    [change] = mine(await reconcile(client, plans(name, changed), owner, removes=True, is_dry=True), name)

    assert change.next_time is not None
    assert (change.next_time.month, change.next_time.day) == (1, 2)
    paused = plans(name, Schedule(cron="0 0 2 1 *", paused=True))
    [change] = mine(await reconcile(client, paused, owner, removes=True, is_dry=True), name)
    assert change.is_paused


async def test_a_pause_by_hand_stays_until_the_declaration_changes_it(client: Client, name: str, owner: Owner) -> None:
    await told(client, name, "@daily", owner)
    await pause_schedule(client, name, "the price feed is down")

    await told(client, name, "@hourly", owner)
    assert state(await describe_schedule(client, name)) == (True, "the price feed is down")
    await told(client, name, Schedule(cron="@hourly", paused=True), owner)
    assert state(await describe_schedule(client, name)) == (True, "declared with paused=True")
    await told(client, name, Schedule(cron="@hourly"), owner)
    assert state(await describe_schedule(client, name)) == (False, "no longer declared with paused=True")


async def test_a_schedule_may_be_declared_paused(client: Client, name: str, owner: Owner) -> None:
    await told(client, name, Schedule(cron="@daily", paused=True), owner)

    assert state(await describe_schedule(client, name)) == (True, "declared with paused=True")


async def test_what_somebody_changed_by_hand_is_set_back(client: Client, name: str, owner: Owner) -> None:
    await told(client, name, Schedule(cron="0 0 * * *", timezone="Europe/Berlin"), owner)
    handle = client.get_schedule_handle(f"moose-{name}")
    raw = (await handle.describe()).raw_description.schedule
    raw.spec.structured_calendar[0].hour[0].start = 5
    raw.spec.structured_calendar[0].hour[0].end = 5
    from temporalio.api.workflowservice.v1 import UpdateScheduleRequest

    await client.workflow_service.update_schedule(
        UpdateScheduleRequest(namespace=client.namespace, schedule_id=f"moose-{name}", schedule=raw)
    )
    assert (await describe_schedule(client, name)).drifted == ("times",)

    assert await told(client, name, Schedule(cron="0 0 * * *", timezone="Europe/Berlin"), owner) == (
        f"{name} changed (times changed by hand)"
    )
    assert await told(client, name, Schedule(cron="0 0 * * *", timezone="Europe/Berlin"), owner) == f"{name} unchanged"
    assert (await describe_schedule(client, name)).drifted == ()


async def test_several_at_once_end_with_one_schedule(client: Client, name: str, owner: Owner) -> None:
    added = await asyncio.gather(*[reconcile(client, plans(name, "@daily"), owner, removes=True) for _ in range(6)])
    kinds = [change.kind for changes in added for change in mine(changes, name)]
    assert sorted(kinds) == [ChangeKind.ADDED] + [ChangeKind.UNCHANGED] * 5

    changed = await asyncio.gather(*[reconcile(client, plans(name, "@hourly"), owner, removes=True) for _ in range(6)])
    assert {change.kind for changes in changed for change in mine(changes, name)} <= {
        ChangeKind.CHANGED,
        ChangeKind.UNCHANGED,
    }
    assert (await describe_schedule(client, name)).declared == plan_schedule("@hourly", None)


async def test_all_schedules_of_the_namespace_are_listed(client: Client, name: str, owner: Owner) -> None:
    await told(client, name, "@daily", owner)

    found = await listed(client, name)

    assert (found.workflow, found.owner, found.task_queue) == (name, owner, owner.task_queue)
    assert len(found.next_times) == 10


def state(schedule: DeployedSchedule) -> tuple[bool, str]:
    return schedule.is_paused, schedule.note


async def listed(client: Client, name: str) -> DeployedSchedule:
    """The schedule, once the server's list has it."""
    async with asyncio.timeout(30):
        while True:
            found = [it for it in await list_schedules(client) if it.workflow == name]
            if found:
                return found[0]
            await asyncio.sleep(0.1)
