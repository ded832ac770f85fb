"""A task that may park does not take its run down: the run stays open until somebody decides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.integration.engine.steering import (
    Desk,
    Number,
    phases,
    status_of,
    the_run,
    until_parked,
    until_status,
)
from tests.integration.engine.support import Engine, Handle, failure, result, until, worker_process

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.errors import NotParked, RunNotOpen, TaskNotFound
from moose_lib.operations.control import cancel_run, terminate_run
from moose_lib.operations.decisions import give_up_run, pause_run, retry_task, skip_task
from moose_lib.operations.parked import find_parked, parked_runs
from moose_lib.operations.records import Decision, RunState


async def test_siblings_finish_and_the_run_stays_open(engine: Engine) -> None:
    """What comes after the parked task waits; the parked one keeps its error."""
    desk = Desk()
    desk.broken.add("left")
    workflow = desk.fan("ParkOpen", "left", "right")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        status = await until_parked(engine, handle, "left")
        await handle.terminate()

    assert status.is_open
    assert phases(status) == {"start": "completed", "left": "parked", "right": "completed", "join": "waiting"}
    [parked] = status.parked
    assert (parked.attempts, str(parked.error)) == (1, "ValueError: left is broken")
    assert desk.calls == {"start": 1, "left": 1, "right": 1}
    [join] = [task for task in status.tasks if task.name == "join"]
    assert join.waiting_for == ("left",)


async def test_a_retry_runs_the_task_with_the_code_of_now(engine: Engine) -> None:
    """With all its attempts again, counted from 1; the finished tasks do not run again."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain("ParkRetry", "first", "second", "third", retries=1, on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        status = await until_parked(engine, handle, "second")
        assert [task.attempts for task in status.parked] == [2]
        await retry_task(engine.client, await the_run(engine, handle), "second")
        await until(lambda: desk.calls["second"] == 4)
        status = await until_parked(engine, handle, "second")
        assert [task.attempts for task in status.parked] == [2]
        desk.broken.clear()
        await retry_task(engine.client, await the_run(engine, handle), "second")
        assert await result(handle) == {"value": 4}
    status = await status_of(engine, handle)
    second = status.task("second")

    assert desk.calls == {"first": 1, "second": 5, "third": 1}
    assert second is not None
    assert (second.attempts, second.decision, second.error) == (1, Decision.RETRY, None)
    await engine.replay(handle)


async def test_a_skipped_task_hands_on_the_output_that_was_given(engine: Engine) -> None:
    """Its children get it as if the task had returned it."""
    desk = Desk()
    desk.broken.add("left")
    workflow = desk.fan("ParkSkip", "left", "right")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "left")
        await skip_task(engine.client, await the_run(engine, handle), "left", b'{"value": 100}')
        assert await result(handle) == {"value": 103}
    status = await status_of(engine, handle)
    left = status.task("left")

    assert left is not None
    assert (left.state.value, left.decision) == ("completed", Decision.SKIP)
    await engine.replay(handle)


class Text(BaseModel):
    text: str


async def test_a_large_output_can_be_given(engine: Engine) -> None:
    """Over 256 KiB it travels by reference, as outputs of tasks do."""

    def write(number: Number) -> Text:
        raise ValueError("no paper")

    def measure(text: Text) -> Number:
        return Number(value=len(text.text))

    measure_task = Task[Text, Number](name="measure", config=TaskConfig(run=measure))
    write_task = Task[Number, Text](
        name="write", config=TaskConfig(run=write, retries=0, on_failure="park", on_complete=[measure_task])
    )
    workflow = Workflow(name="ParkLarge", config=WorkflowConfig(starting_task=write_task))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "write")
        data = Text(text="x" * 400_000).model_dump_json().encode()
        await skip_task(engine.client, await the_run(engine, handle), "write", data)
        assert await result(handle) == {"value": 400_000}
    await engine.replay(handle)


async def test_a_task_without_an_output_is_skipped_with_none(engine: Engine) -> None:
    """The run is over and its result is null."""

    def notify(number: Number) -> None:
        raise ValueError("nobody there")

    task = Task[Number, None](name="notify", config=TaskConfig(run=notify, retries=0, on_failure="park"))
    workflow = Workflow(name="ParkNone", config=WorkflowConfig(starting_task=task))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "notify")
        await skip_task(engine.client, await the_run(engine, handle), "notify", b"null")
        assert await result(handle) is None


async def test_giving_up_fails_the_run_with_the_first_error(engine: Engine) -> None:
    """All parked tasks count as failed, and what comes after them never starts."""
    desk = Desk()
    desk.broken |= {"left", "right"}
    workflow = desk.fan("ParkFail", "left", "right", "middle")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "left", "right")
        await give_up_run(engine.client, await the_run(engine, handle), "the customer is gone")
        error = await failure(handle)
    status = await status_of(engine, handle)

    assert (set(error.tasks), error.class_name) == ({"left", "right"}, "ValueError")
    assert status.state is RunState.FAILED
    assert phases(status) == {
        "start": "completed",
        "left": "failed",
        "right": "failed",
        "middle": "completed",
        "join": "skipped",
    }
    await engine.replay(handle)


async def test_giving_up_lets_healthy_branches_finish(engine: Engine) -> None:
    """The run fails only then."""
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def broken(number: Number) -> Number:
        raise ValueError("no")

    async def slow(number: Number) -> Number:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(release.wait(), loop))
        return number

    sides = [
        Task[Number, Number](name="broken", config=TaskConfig(run=broken, retries=0, on_failure="park")),
        Task[Number, Number](name="slow", config=TaskConfig(run=slow)),
    ]
    start = Task[Number, Number](name="start", config=TaskConfig(run=lambda number: number, on_complete=[*sides]))
    workflow = Workflow(name="ParkHealthy", config=WorkflowConfig(starting_task=start))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_status(engine, handle, lambda it: phases(it).get("broken") == "parked")
        await give_up_run(engine.client, await the_run(engine, handle))
        await until_status(engine, handle, lambda it: phases(it).get("broken") == "failed")
        assert (await status_of(engine, handle)).is_open
        release.set()
        await failure(handle)
    assert phases(await status_of(engine, handle)) == {"start": "completed", "broken": "failed", "slow": "completed"}


async def test_nonsense_does_not_harm_the_run(engine: Engine) -> None:
    """Decisions about other tasks, unknown ones, unknown signals and bad arguments are ignored, and nobody is told."""
    desk = Desk()
    desk.broken.add("second")
    workflow = desk.chain("ParkNonsense", "first", "second", on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "second")
        for name, arguments in NONSENSE:
            await handle.signal(name, args=arguments)
        status = await until_parked(engine, handle, "second")
        assert phases(status) == {"first": "completed", "second": "parked"}
        assert not status.is_paused
        desk.broken.clear()
        await handle.signal("moose-retry", "second")  # as Temporal's own tools would: the bare name
        assert await result(handle) == {"value": 3}

    assert desk.calls == {"first": 1, "second": 2}
    await engine.replay(handle)


NONSENSE: list[tuple[str, list[object]]] = [
    ("moose-retry", [{"task": "first"}]),
    ("moose-retry", [{"task": "nobody"}]),
    ("moose-retry", []),
    ("moose-retry", [7]),
    ("moose-retry", [{"task": ["second"]}]),
    ("moose-retry", [b"\x00\xff"]),
    ("moose-skip", [{"task": "first"}, {"value": 99}]),
    ("moose-skip", [{"task": "second"}, b"\x00\xff"]),
    ("moose-skip", []),
    ("moose-dance", [{"task": "second"}]),
]


async def test_two_retries_at_once_are_one(engine: Engine) -> None:
    """The second one finds a task that is not parked any more."""
    desk = Desk()
    desk.broken.add("only")
    workflow = desk.chain("ParkTwice", "only", on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "only")
        run = await the_run(engine, handle)
    desk.broken.clear()
    await asyncio.gather(*(retry_task(engine.client, run, "only") for _ in range(5)))
    async with engine.worker(workflow):
        assert await result(handle) == {"value": 2}

    assert desk.calls == {"only": 2}
    await engine.replay(handle)


async def test_a_decision_needs_no_worker(engine: Engine) -> None:
    """The server keeps it for the next one; the status knows it, and a second decision is refused.

    Not before the history has it: the server holds signals back while a worker is at the run, as one that is just
    stopping may still be.
    """
    desk = Desk()
    desk.broken.add("only")
    workflow = desk.chain("ParkAlone", "only", on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "only")
    run = await the_run(engine, handle)
    assert await find_parked(engine.client, run, None) == ("only",)
    assert await parked_runs(engine.client, [run]) == (run,)
    await retry_task(engine.client, run, "only")
    await until_status(engine, handle, lambda status: phases(status) == {"only": "queued"})
    with pytest.raises(NotParked, match=f"task 'only' of run '{handle.id}' is not parked: it is queued"):
        await find_parked(engine.client, run, "only")
    with pytest.raises(NotParked, match=f"no task of run '{handle.id}' is parked"):
        await find_parked(engine.client, run, None)
    with pytest.raises(TaskNotFound) as unknown:
        await find_parked(engine.client, run, "onyl")
    assert unknown.value.hint == "its tasks are only"
    assert await parked_runs(engine.client, [run]) == ()
    desk.broken.clear()
    async with engine.worker(workflow):
        assert await result(handle) == {"value": 2}
    with pytest.raises(RunNotOpen, match=f"run '{handle.id}' has ended in the meantime"):
        await retry_task(engine.client, run, "only")


async def test_cancel_ends_a_parked_run(engine: Engine) -> None:
    """It is canceled; the parked task has failed, and its `on_cancel` does not run: nothing of it was running."""
    seen = list[str]()

    def fail(number: Number) -> Number:
        raise ValueError("no")

    def on_cancel(ctx: TaskContext[Number]) -> None:
        seen.append("on_cancel")

    config = TaskConfig(run=fail, retries=0, on_failure="park", on_cancel=on_cancel)
    workflow = Workflow(
        name="ParkCancel", config=WorkflowConfig(starting_task=Task[Number, Number](name="only", config=config))
    )
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "only")
        await cancel_run(engine.client, await the_run(engine, handle))
        status = await until_status(engine, handle, lambda it: not it.is_open)

    assert (status.state, phases(status), seen) == (RunState.CANCELED, {"only": "failed"}, [])
    assert status.parked == ()
    await engine.replay(handle)


async def test_terminate_ends_a_parked_run(engine: Engine) -> None:
    """At once, with nobody working."""
    desk = Desk()
    desk.broken.add("first")
    workflow = desk.chain("ParkTerminate", "first", "second", on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "first")
    await terminate_run(engine.client, await the_run(engine, handle), "enough")
    status = await status_of(engine, handle)

    assert (status.state, phases(status)) == (RunState.TERMINATED, {"first": "failed", "second": "skipped"})


async def test_a_workflow_can_let_all_its_tasks_park(engine: Engine) -> None:
    """`on_task_failure` is for those that do not say themselves."""
    desk = Desk()
    desk.broken |= {"start", "strict"}
    strict = Task[Number, Number](name="strict", config=TaskConfig(run=desk.call, retries=0, on_failure="fail"))
    start = Task[Number, Number](name="start", config=TaskConfig(run=desk.call, retries=0, on_complete=[strict]))
    workflow = Workflow(name="ParkAll", config=WorkflowConfig(starting_task=start, on_task_failure="park"))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "start")
        await skip_task(engine.client, await the_run(engine, handle), "start", b'{"value": 5}')
        assert (await failure(handle)).task == "strict"


async def test_bad_output_parks_too(engine: Engine) -> None:
    """So does what is never retried: somebody can mend the code."""
    good = list[bool]()

    def answer(number: Number) -> Number:
        return number if good else "nonsense"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    task = Task[Number, Number](name="only", config=TaskConfig(run=answer, retries=3, on_failure="park"))
    workflow = Workflow(name="ParkBad", config=WorkflowConfig(starting_task=task))
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        status = await until_parked(engine, handle, "only")
        good.append(True)
        await retry_task(engine.client, await the_run(engine, handle), "only")
        assert await result(handle) == {"value": 1}
    assert status.parked[0].error is not None
    assert (status.parked[0].error.type, status.parked[0].attempts) == ("InvalidOutput", 1)


async def test_a_retry_while_the_run_is_paused_waits(engine: Engine) -> None:
    """The decision is taken at once; the task starts when the run goes on."""
    desk = Desk()
    desk.broken.add("only")
    workflow = desk.chain("ParkPaused", "only", on_failure="park")
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until_parked(engine, handle, "only")
        run = await the_run(engine, handle)
        desk.broken.clear()
        await pause_run(engine.client, run)
        await retry_task(engine.client, run, "only")
        status = await until_status(engine, handle, lambda it: not it.parked)
        assert (status.is_paused, phases(status)) == (True, {"only": "waiting"})
        await handle.signal("moose-unpause")
        assert await result(handle) == {"value": 2}
    assert desk.calls == {"only": 2}


SOURCE = """
from pathlib import Path
from pydantic import BaseModel
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

class Number(BaseModel):
    value: int

def first(number: Number) -> Number:
    with Path(__file__).with_name("notes").open("a") as notes:
        notes.write("first ")
    return number

def second(number: Number) -> Number:
    BODY

second_task = Task[Number, Number](name="second", config=TaskConfig(run=second, retries=0, on_failure="park"))
first_task = Task[Number, Number](name="first", config=TaskConfig(run=first, on_complete=[second_task]))
Workflow(name="ParkedLives", config=WorkflowConfig(starting_task=first_task))
"""


async def test_a_parked_task_outlives_its_worker_and_is_retried_with_mended_code(
    engine: Engine, tmp_path: Path
) -> None:
    """kill -9, the file edited on disk, a new worker: only the parked task runs."""
    file = tmp_path / "main.py"
    file.write_text(SOURCE.replace("BODY", "raise ValueError('broken')"))
    async with worker_process(engine, file) as process:
        handle: Handle = await engine.start_foreign("ParkedLives", {"value": 1})
        await until_parked(engine, handle, "second")
        process.kill()
        await process.wait()
    file.write_text(SOURCE.replace("BODY", "return Number(value=number.value + 1)"))
    async with worker_process(engine, file):
        assert phases(await status_of(engine, handle)) == {"first": "completed", "second": "parked"}
        await retry_task(engine.client, await the_run(engine, handle), "second")
        assert await result(handle) == {"value": 2}
    assert (tmp_path / "notes").read_text().split() == ["first"]
