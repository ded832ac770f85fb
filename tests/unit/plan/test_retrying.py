"""How long a task waits before its next attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.graphs import flow, task

from moose_lib.plan.build import compile_workflow
from moose_lib.plan.model import Plan, PlannedTask
from moose_lib.plan.retrying import Retrying, delay_after


def seconds(retrying: Retrying, attempts: int) -> list[float]:
    return [delay_after(retrying, number).total_seconds() for number in range(1, attempts + 1)]


def planned(**settings: Any) -> PlannedTask:  # Any: a task's settings
    return compile_workflow(flow(task("t", **settings))).task("t")


def test_by_default_it_doubles_from_a_second_to_a_hundred() -> None:
    assert seconds(Retrying(), 9) == [1, 2, 4, 8, 16, 32, 64, 100, 100]


def test_each_wait_is_a_multiple_of_the_one_before() -> None:
    retrying = Retrying(delay=timedelta(seconds=2), backoff=1.5, max_delay=timedelta(seconds=5))
    assert seconds(retrying, 4) == [2, 3, 4.5, 5]


def test_a_backoff_of_one_waits_as_long_each_time() -> None:
    assert seconds(Retrying(backoff=1), 3) == [1, 1, 1]


def test_a_task_may_fail_for_years() -> None:
    assert delay_after(Retrying(backoff=1000), 1_000_000) == timedelta(seconds=100)


@given(st.integers(1, 50), st.floats(0, 1), st.text(max_size=20))
def test_jitter_stays_within_its_share(attempts: int, jitter: float, seed: str) -> None:
    plain = delay_after(Retrying(), attempts)
    drawn = delay_after(Retrying(jitter=jitter), attempts, seed=seed)
    assert abs(drawn - plain) <= plain * jitter + timedelta(milliseconds=1)


def test_jitter_differs_between_runs_and_attempts_and_is_the_same_when_asked_again() -> None:
    retrying = Retrying(jitter=0.5, backoff=1)
    drawn = {(seed, number): delay_after(retrying, number, seed=seed) for seed in ("a", "b") for number in (1, 2, 3)}
    assert len(set(drawn.values())) == len(drawn)
    assert drawn["a", 2] == delay_after(retrying, 2, seed="a")


def test_a_task_that_says_nothing_is_retried_as_ever() -> None:
    unset = planned()
    assert (unset.retrying, unset.total_timeout, unset.queue_timeout) == (Retrying(), None, None)
    assert (unset.on_failure, unset.no_retry_for) == ("fail", ())


def test_the_settings_of_a_task_are_in_its_plan() -> None:
    told = planned(
        retry_delay="2s",
        retry_backoff=3,
        retry_max_delay="1m",
        retry_jitter=0.1,
        no_retry_for=(ValueError,),
        total_timeout="1h",
        timeout="10m",
        queue_timeout="5m",
        on_failure="park",
    )
    minute = timedelta(minutes=1)
    assert told.retrying == Retrying(delay=timedelta(seconds=2), backoff=3, max_delay=minute, jitter=0.1)
    assert (told.total_timeout, told.queue_timeout) == (60 * minute, 5 * minute)
    assert (told.no_retry_for, told.on_failure) == (("ValueError",), "park")


def test_a_long_first_wait_is_not_cut_short_by_the_default_longest() -> None:
    assert planned(retry_delay="5m").retrying.max_delay == timedelta(minutes=5)
    assert planned(retry_delay="5s").retrying.max_delay == timedelta(seconds=100)


def test_never_is_no_limit() -> None:
    told = planned(total_timeout="never", queue_timeout="never")
    assert (told.total_timeout, told.queue_timeout) == (None, None)


def test_the_workflow_says_what_follows_a_failure_for_tasks_that_do_not() -> None:
    last = task("last", on_failure="fail")
    plan = compile_workflow(flow(task("first", on_complete=[last]), on_task_failure="park"))
    assert [each.on_failure for each in plan.tasks] == ["park", "fail"]


def test_plans_recorded_before_these_settings_are_read() -> None:
    recorded = (
        '{"version":1,"workflow":"Orders","start":"a","tasks":[{"name":"a","after":[],"source":{"kind":"nothing",'
        '"values":[],"fields":[]},"timeout":"PT1H","retries":3,"input_type":null,"output_type":null}],'
        '"timeout":null,"retries":0,"schedule":null}'
    )
    assert Plan.model_validate_json(recorded).task("a").retrying == Retrying()
