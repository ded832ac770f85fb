"""Local runs: limits of all attempts, requests to be run again, and hooks, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib import RetryLater, RunOutcome, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows
from moose_lib.errors import RunFailed
from moose_lib.testing import run_local, runner


class Number(BaseModel):
    value: int = 1


def same(number: Number) -> Number:
    return number


async def slow(number: Number) -> Number:
    await asyncio.sleep(3600)
    return number


async def later(number: Number) -> Number:
    raise RetryLater("1s")


async def hang(outcome: RunOutcome) -> None:
    await asyncio.sleep(3600)


def tell(outcome: RunOutcome) -> None: ...


def declared(run: Any = same, *, settings: dict[str, Any] | None = None, **config: Any) -> Workflow:  # Any: any of them
    start = Task[Number, Number](name="task", config=TaskConfig(run=run, **config))
    workflow = Workflow(name="Local", config=WorkflowConfig(starting_task=start, **(settings or {})))
    registered_workflows().pop(workflow.name)
    return workflow


def hook(run: Any = tell, **config: Any) -> Task[RunOutcome, None]:  # Any: as above
    return Task[RunOutcome, None](name="tell", config=TaskConfig(run=run, **config))


def test_the_time_of_all_attempts_is_virtual() -> None:
    run = run_local(declared(slow, timeout="10m", total_timeout="25m", retry_delay="1m", retry_backoff=1, retries=9))
    assert [attempt.duration for attempt in run.task("task").attempts] == [
        timedelta(minutes=10),
        timedelta(minutes=10),
        timedelta(minutes=3),
    ]
    assert run.duration == timedelta(minutes=25)
    assert str(run.task("task")).endswith(
        "3 attempts, 25m: TotalTimedOut: total_timeout of 25m is over after 3 attempts"
    )


def test_the_cause_of_a_task_that_ran_out_of_time_is_in_its_traceback() -> None:
    workflow = declared(total_timeout="1m", retry_delay="50s", retry_backoff=3, retry_max_delay="1h")
    run = run_local(workflow, fakes={"task": OSError("disk")})
    assert run.error is not None
    assert "OSError: disk" in run.error.traceback
    with pytest.raises(RunFailed, match="leaves no time for another attempt in 2m30s, after 2 attempts"):
        run.raise_for_failure()


def test_a_task_that_asks_for_ever_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes here, so nobody could wait for it; on Temporal it would be asked again and again."""
    monkeypatch.setattr(runner, "_MOST_CALLS", 100)
    run = run_local(declared(later))
    assert run.error is not None
    assert run.error.message == "asked to be run again in 1s"
    assert str(run.task("task")).startswith("task failed, 1 attempt,")


def test_a_request_that_the_run_has_no_time_for_is_its_failure() -> None:
    run = run_local(declared(later, settings={"timeout": "500ms"}))
    assert str(run.error) == "task 'task' failed: RetryLater: asked to be run again in 1s"


def test_a_hook_can_be_faked_and_told_to_fail() -> None:
    workflow = declared(settings={"on_success": hook()})
    run = run_local(workflow, fail={"tell": 1})
    assert [attempt.number for attempt in run.task("tell").attempts] == [1, 2]
    assert str(run).splitlines()[-1].startswith("  hook tell completed, 2 attempts, 1s")  # threads take real time
    assert (run.executed, run.result) == (("task",), Number())


def test_the_time_of_a_run_covers_its_hook() -> None:
    run = run_local(declared(settings={"timeout": "1m", "on_success": hook(hang)}))
    assert (run.state, run.task("tell").state, run.duration) == ("timed_out", "canceled", timedelta(minutes=1))


def test_a_cancellation_that_comes_during_the_hook_stops_only_the_hook() -> None:
    run = run_local(declared(settings={"on_success": hook(hang)}), cancel_at="1m")
    assert (run.state, run.task("tell").state, run.result) == ("completed", "canceled", Number())


def test_an_exception_that_json_cannot_hold_is_told_all_the_same() -> None:
    told = list[RunOutcome]()
    workflow = declared(retries=0, settings={"on_failure": hook(told.append)})
    run = run_local(workflow, fakes={"task": OSError("half a \ud83d")})
    assert run.task("tell").state == "completed"
    assert [str(outcome.error) for outcome in told] == ["OSError: half a \\ud83d"]
