"""An attempt that fails is repeated, an attempt that takes too long is stopped: both are one line of configuration."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from moose_lib import NonRetryableError, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import run_local


class Card(BaseModel):
    number: str


class Payment(BaseModel):
    reference: str


async def charge(card: Card) -> Payment:
    if card.number == "stolen":
        raise NonRetryableError("this card is blocked")
    await asyncio.sleep(3600 if card.number == "slow" else 1)
    return Payment(reference=f"paid with {card.number}")


charge_task = Task[Card, Payment](name="charge", config=TaskConfig(run=charge, retries=2, timeout="30s"))
payment = Workflow(name="GuideCharge", config=WorkflowConfig(starting_task=charge_task))


def test_retries_are_attempts_after_the_first() -> None:
    """`retries=2` means up to three attempts; the second comes after 1 s, the third after 2 s more."""
    run = run_local(payment, Card(number="4242"), fail={"charge": 2})

    assert run.state == "completed"
    assert [attempt.started for attempt in run.task("charge").attempts] == [
        timedelta(seconds=0),
        timedelta(seconds=1),
        timedelta(seconds=3),
    ]


def test_a_run_fails_with_the_exception_of_the_last_attempt() -> None:
    """Class, message and traceback of your exception are kept, here and in the command line and UI."""
    run = run_local(payment, Card(number="4242"), fakes={"charge": ConnectionError("bank is offline")})

    assert run.state == "failed"
    assert run.error is not None
    assert str(run.error) == "task 'charge' failed: ConnectionError: bank is offline"


def test_a_timeout_is_for_each_attempt() -> None:
    """An attempt that takes longer is stopped, and counts as failed."""
    run = run_local(payment, Card(number="slow"))

    assert [attempt.duration for attempt in run.task("charge").attempts] == [timedelta(seconds=30)] * 3
    assert run.error is not None
    assert run.error.message == "took longer than its timeout of 30s"


def test_some_errors_are_not_worth_another_attempt() -> None:
    """Raise `NonRetryableError`, or a class of yours that derives from it, and the task fails at once."""
    run = run_local(payment, Card(number="stolen"))

    assert len(run.task("charge").attempts) == 1


def test_a_workflow_has_a_limit_and_retries_of_its_own() -> None:
    """Its `timeout` covers everything; its `retries` start the run again from the beginning."""
    strict = Workflow(name="GuideStrict", config=WorkflowConfig(starting_task=charge_task, timeout="1m", retries=1))

    assert run_local(strict, Card(number="4242"), fail={"charge": 3}).starts == 2
    assert run_local(strict, Card(number="slow")).state == "timed_out"
