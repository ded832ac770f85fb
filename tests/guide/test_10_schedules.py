"""A workflow can run by itself: when, in which zone, with which input, and what happens to times that overlap."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import BaseModel

from moose_lib import InvalidDefinition, Schedule, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.testing import run_local


class Wanted(BaseModel):
    shop: str


class Sales(BaseModel):
    shop: str
    day: date


async def count(ctx: TaskContext[Wanted]) -> Sales:
    time = ctx.run.scheduled_time or datetime.now(UTC)
    return Sales(shop=ctx.input.shop, day=time.date())


count_task = Task[Wanted, Sales](name="count", config=TaskConfig(run=count))
daily = Workflow(
    name="GuideSales",
    config=WorkflowConfig(
        starting_task=count_task,
        schedule=Schedule(
            cron="30 6 * * mon-fri",
            timezone="Europe/Berlin",
            overlap="buffer_one",
            catchup="last",
            input=Wanted(shop="Kreuzberg"),
        ),
    ),
)


def test_a_task_works_for_the_time_of_its_run() -> None:
    """`ctx.run.scheduled_time` is the declared time, also when the run starts late or is backfilled."""
    run = run_local(daily, Wanted(shop="Mitte"), scheduled_time=datetime(2027, 1, 4, 5, 30, tzinfo=UTC))

    assert run.result == Sales(shop="Mitte", day=date(2027, 1, 4))


def test_a_run_by_hand_stands_for_no_time() -> None:
    """The handler decides what that means."""
    before = datetime.now(UTC).date()
    run = run_local(daily, Wanted(shop="Mitte"))

    assert isinstance(run.result, Sales)
    assert before <= run.result.day <= datetime.now(UTC).date()


def test_the_input_belongs_to_the_schedule_and_is_checked() -> None:
    """A schedule that gives no input where the first task needs one would only fail at night."""
    config = WorkflowConfig(starting_task=count_task, schedule="@daily")

    with pytest.raises(InvalidDefinition, match="schedule gives no input, but task 'count' needs one of Wanted"):
        run_local(Workflow(name="GuideNoInput", config=config))


def test_a_schedule_is_refused_with_the_reason() -> None:
    """All that is wrong with it at once."""
    wrong = Schedule(cron="0 25 * * *", timezone="Europe/Berlim")

    with pytest.raises(InvalidDefinition) as caught:
        Workflow(name="GuideWrong", config=WorkflowConfig(starting_task=count_task, schedule=wrong))

    assert [fault.message for fault in caught.value.faults] == [
        "workflow 'GuideWrong': schedule '0 25 * * *' is not a schedule: '25' is no hour from 0 to 23",
        "workflow 'GuideWrong': schedule timezone 'Europe/Berlim' is unknown",
    ]
