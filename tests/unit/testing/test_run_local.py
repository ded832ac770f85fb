"""`run_local`: a whole run in no time, and a record of all of it."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
import traceback
from datetime import timedelta

import pytest
from pydantic import BaseModel
from tests.unit.testing.orders import Order, Parcel, Receipt, order_workflow

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.dmv2._registry import registered_workflows
from moose_lib.errors import InvalidDefinition, InvalidInput, RunFailed, TaskNotFound
from moose_lib.testing import RunState, TaskState, run_local, run_local_async

ORDER = Order(order_id="7")


def workflow_of(task: Task[None, None], *, timeout: str | None = None) -> Workflow:
    workflow = Workflow(name="One", config=WorkflowConfig(starting_task=task, timeout=timeout))
    registered_workflows().pop("One")
    return workflow


def test_a_completed_run_has_result_and_times() -> None:
    started = time.monotonic()
    run = run_local(order_workflow(), ORDER)

    assert run.state is RunState.COMPLETED
    assert run.result == Parcel(receipt="r7")
    assert run.result_json == b'{"receipt":"r7"}'
    assert run.error is None
    assert run.executed == ("check", "charge", "ship")
    assert run.task("check").started == timedelta()
    assert run.task("charge").duration == timedelta(seconds=30)
    assert run.task("charge").output == Receipt(number="r7")
    assert timedelta(seconds=30) <= run.duration < timedelta(seconds=40)
    assert time.monotonic() - started < 10
    run.raise_for_failure()


def test_the_input_may_be_a_dict_or_json_as_it_comes_from_outside() -> None:
    for given in (ORDER, {"order_id": "7"}, b' {"order_id": "7"} '):
        assert run_local(order_workflow(), given).result == Parcel(receipt="r7")


@pytest.mark.parametrize("given", [None, b"[1,2]", b"{", {"order_id": 7}, b'{"order_id": null}'])
def test_a_wrong_input_is_refused_before_anything_runs(given: bytes | dict[str, object] | None) -> None:
    with pytest.raises(InvalidInput, match="input of the run"):
        run_local(order_workflow(), given)


def test_a_wrong_definition_is_refused() -> None:
    workflow = order_workflow()
    workflow.config.starting_task.config.on_complete = [workflow.config.starting_task]

    with pytest.raises(InvalidDefinition):
        run_local(workflow, ORDER)


def test_a_failed_run_keeps_the_users_exception() -> None:
    error = ValueError("card declined")
    run = run_local(order_workflow(), ORDER, fakes={"charge": error})

    assert run.state == "failed"
    assert run.result is None
    assert run.error is not None
    assert (run.error.task, run.error.class_name, run.error.message) == ("charge", "ValueError", "card declined")
    assert run.error.exception is error
    assert run.error.traceback.splitlines()[-1] == "ValueError: card declined"
    assert [attempt.started for attempt in run.task("charge").attempts] == [timedelta(seconds=s) for s in (0, 1, 3, 7)]
    assert run.task("ship").state is TaskState.SKIPPED
    ship = run.task("ship")
    assert (ship.started, ship.duration, ship.error) == (None, None, None)
    with pytest.raises(RunFailed, match=r"workflow 'Orders' failed: task 'charge' failed: ValueError: card") as raised:
        run.raise_for_failure()
    assert raised.value.__cause__ is error


def test_the_traceback_begins_in_the_users_code() -> None:
    def explode() -> None:
        raise KeyError("gone")

    run = run_local(workflow_of(Task[None, None](name="x", config=TaskConfig(run=explode, retries=0))))

    assert run.error is not None
    lines = run.error.traceback.splitlines()
    assert __file__ in lines[1]
    assert lines[-1] == "KeyError: 'gone'"
    assert "moose_lib" not in run.error.traceback


def test_an_exception_class_of_the_user_is_named_with_its_module() -> None:
    run = run_local(order_workflow(), ORDER, fakes={"check": Declined})

    assert run.error is not None
    assert run.error.class_name == f"{__name__}.Declined"
    assert str(run.error) == "task 'check' failed: Declined"


class Declined(Exception):
    pass


def test_back_off_doubles_up_to_a_hundred_seconds() -> None:
    task = Task[None, None](name="x", config=TaskConfig(run=lambda: None, retries=10))
    run = run_local(workflow_of(task), fail={"x": 10})

    starts = [attempt.started.total_seconds() for attempt in run.task("x").attempts]
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(starts)]
    assert gaps == [1, 2, 4, 8, 16, 32, 64, 100, 100, 100]


def test_attempts_of_a_sync_handler_wait_in_virtual_time_too() -> None:
    started = time.monotonic()
    run = run_local(order_workflow(), ORDER, fail={"ship": 3})

    assert len(run.task("ship").attempts) == 4
    assert (run.task("ship").duration or timedelta()) >= timedelta(seconds=7)
    assert time.monotonic() - started < 5


def test_several_last_tasks_make_a_dict() -> None:
    run = run_local(order_workflow(is_branching=True), ORDER)

    assert run.result == {"ship": Parcel(receipt="r7"), "note": None}


def test_records_read_well() -> None:
    run = run_local(order_workflow(), ORDER, fakes={"charge": ValueError("no"), "check": ORDER}, fail={"check": 1})

    assert repr(run) == "<LocalRun Orders failed: 3 tasks, 8s: task 'charge' failed: ValueError: no>"
    assert str(run).splitlines() == [
        "Orders failed, 8s",
        "  check completed, 2 attempts, 1s",
        "  charge failed, 4 attempts, 7s: ValueError: no",
        "  ship skipped",
    ]
    assert repr(run.task("charge")) == "<TaskRun charge failed, 4 attempts, 7s: ValueError: no>"
    assert repr(run.task("check").attempts) == "(<Attempt 1 at 0s for 0s: InjectedFailure>, <Attempt 2 at 1s for 0s>)"
    assert repr(run_local(order_workflow(), ORDER, fakes={"ship": Parcel(receipt="r")})) == (
        "<LocalRun Orders completed: 3 tasks, 30s>"
    )


def test_an_unknown_task_is_named_with_the_one_that_was_meant() -> None:
    run = run_local(order_workflow(), ORDER)

    with pytest.raises(TaskNotFound, match="workflow 'Orders' has no task 'chrage'") as raised:
        run.task("chrage")
    assert raised.value.hint == "did you mean 'charge'?"
    with pytest.raises(TaskNotFound) as raised:
        run.task("zzz")
    assert raised.value.hint == "its tasks are 'check', 'charge', 'ship'"


def test_a_run_is_the_same_each_time() -> None:
    runs = [run_local(order_workflow(is_branching=True), ORDER, fakes={"ship": ValueError("x")}) for _ in range(3)]

    assert len({str(run) for run in runs}) == 1
    assert len({run.executed for run in runs}) == 1
    assert len({run.workflow_id for run in runs}) == 3


class TestWorkflowLimits:
    def test_retries_start_the_run_again(self) -> None:
        run = run_local(order_workflow(retries=2), ORDER, fakes={"charge": ValueError("no")})

        assert (run.state, run.starts) == ("failed", 3)
        # 7 s of attempts in each start, 1 s and 2 s between them
        assert run.duration == timedelta(seconds=3 * 7 + 1 + 2)
        assert run.task("charge").started == timedelta(seconds=2 * 7 + 1 + 2)

    def test_the_timeout_ends_what_runs(self) -> None:
        run = run_local(order_workflow(timeout="10s", retries=5), ORDER)

        assert (run.state, run.duration, run.starts) == ("timed_out", timedelta(seconds=10), 1)
        assert run.error is not None
        assert str(run.error) == "RunTimedOut: took longer than its timeout of 10s"
        with pytest.raises(RunFailed, match="workflow 'Orders' timed out: RunTimedOut"):
            run.raise_for_failure()

    def test_a_run_can_be_canceled_while_it_waits_to_start_again(self) -> None:
        run = run_local(order_workflow(retries=1), ORDER, fakes={"check": ValueError("no")}, cancel_at="7500ms")

        assert (run.state, run.starts, run.error) == ("canceled", 1, None)
        with pytest.raises(RunFailed, match=r"^workflow 'Orders' was canceled$"):
            run.raise_for_failure()

    def test_a_start_that_would_come_too_late_is_left_out(self) -> None:
        run = run_local(order_workflow(retries=1, timeout="7500ms"), ORDER, fakes={"check": ValueError("no")})

        assert (run.state, run.starts, run.duration) == ("failed", 1, timedelta(seconds=7))


class TestCancel:
    def test_cancel_at_takes_a_text_or_a_timedelta(self) -> None:
        for moment in ("10s", timedelta(seconds=10)):
            run = run_local(order_workflow(), ORDER, cancel_at=moment)
            assert (run.state, run.duration) == ("canceled", timedelta(seconds=10))
            assert run.task("charge").state is TaskState.CANCELED
            assert run.task("charge").attempts[0].duration == timedelta(seconds=10)

    def test_a_run_that_has_ended_by_then_is_left_alone(self) -> None:
        assert run_local(order_workflow(), ORDER, cancel_at="10m").state == "completed"

    def test_what_on_cancel_raises_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken(ctx: TaskContext[None]) -> None:
            raise ValueError("cannot clean up")

        task = Task[None, None](name="x", config=TaskConfig(run=sleep_long, on_cancel=broken))
        run = run_local(workflow_of(task), cancel_at="1s")

        assert run.state == "canceled"
        assert [record.message for record in caplog.records] == ["on_cancel failed"]
        assert vars(caplog.records[0])["task"] == "x"
        assert caplog.records[0].exc_info is not None
        assert [frame.name for frame in traceback.extract_tb(caplog.records[0].exc_info[2])] == ["broken"]

    def test_an_endless_on_cancel_is_stopped(self, caplog: pytest.LogCaptureFixture) -> None:
        async def endless(ctx: TaskContext[None]) -> None:
            await asyncio.sleep(10**6)

        task = Task[None, None](name="x", config=TaskConfig(run=sleep_long, on_cancel=endless))
        run = run_local(workflow_of(task), cancel_at="1s")

        assert run.duration == timedelta(seconds=31)
        assert "on_cancel took longer than 30 s and was stopped" in caplog.text

    def test_a_handler_that_refuses_for_ever_is_left_behind(self, caplog: pytest.LogCaptureFixture) -> None:
        async def stubborn() -> None:
            for _ in range(10):
                try:
                    await asyncio.sleep(10**6)
                except asyncio.CancelledError:
                    continue

        run = run_local(workflow_of(Task[None, None](name="x", config=TaskConfig(run=stubborn))), cancel_at="1s")

        assert run.state == "canceled"
        assert "the handler does not stop, and is left behind" in caplog.text

    def test_a_thread_that_blocks_is_left_behind(self) -> None:
        release = threading.Event()
        ended = list[float]()

        def block() -> None:
            release.wait(3)
            ended.append(time.monotonic())

        task = Task[None, None](name="x", config=TaskConfig(run=block, timeout="50ms", retries=0))
        run = run_local(workflow_of(task))
        release.set()

        assert run.error is not None
        assert run.error.type == "TaskTimedOut"
        assert run.task("x").attempts[0].duration < timedelta(seconds=30), "it is not given the time for clean-up"
        assert ended == [], "the request to stop reached it when it no longer blocked"


async def sleep_long() -> None:
    await asyncio.sleep(10**6)


class TestInsideAnEventLoop:
    async def test_run_local_says_what_to_use_instead(self) -> None:
        with pytest.raises(RuntimeError, match="await run_local_async"):
            run_local(order_workflow(), ORDER)

    async def test_run_local_async_leaves_the_callers_loop_free(self) -> None:
        has_ticked = threading.Event()

        async def tick() -> None:
            for _ in range(5):
                await asyncio.sleep(0.005)
            has_ticked.set()

        def slow(order: Order) -> Order:
            assert has_ticked.wait(20)
            return order

        ticking = asyncio.create_task(tick())
        run = await run_local_async(order_workflow(), ORDER, fakes={"check": slow})
        await ticking

        assert run.result == Parcel(receipt="r7")

    async def test_canceling_the_caller_ends_the_run(self) -> None:
        begun, ended = threading.Event(), threading.Event()

        async def wait_for_ever() -> None:
            begun.set()
            try:
                await asyncio.to_thread(ended.wait, 20)
            finally:
                ended.set()

        workflow = workflow_of(Task[None, None](name="x", config=TaskConfig(run=wait_for_ever)))
        running = asyncio.create_task(run_local_async(workflow))
        await asyncio.to_thread(begun.wait, 20)
        running.cancel()

        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended.is_set()


class Big(BaseModel):
    numbers: list[int]


def test_tasks_share_nothing_but_json() -> None:
    """As on Temporal: a task that changes its input changes nobody else's."""
    seen = list[list[int]]()

    async def give() -> Big:
        return Big(numbers=[1])

    async def spoil(big: Big) -> None:
        big.numbers.append(2)
        seen.append(big.numbers)

    first = Task[None, Big](name="give", config=TaskConfig(run=give))
    first.config.on_complete = [Task[Big, None](name=name, config=TaskConfig(run=spoil)) for name in ("a", "b")]
    workflow = Workflow(name="Shared", config=WorkflowConfig(starting_task=first))
    registered_workflows().pop("Shared")

    assert run_local(workflow).state == "completed"
    assert seen == [[1, 2], [1, 2]]


def test_no_server_and_no_temporal_are_needed() -> None:
    """The honesty test of the design: the same plan and progress, without the engine."""
    code = (
        "import moose_lib.testing, sys; print([m for m in sys.modules if 'temporal' in m or m == 'moose_lib.engine'])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == "[]"
