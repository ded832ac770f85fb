"""What users' code may do on the handlers' event loop, which is not the one of the standard library."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

from moose_lib.engine.handlers import Handlers


async def test_an_async_handler_starts_programs() -> None:
    """Though its loop is in a thread of its own, and beside handlers in threads that do the same."""

    async def start() -> str:
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(6 * 7)", stdout=subprocess.PIPE)
        output, _ = await program.communicate()
        return f"{output.decode().strip()} {program.returncode}"

    def call() -> str:
        done = subprocess.run([sys.executable, "-c", "print(6 * 9)"], capture_output=True, text=True, check=False)
        return f"{done.stdout.strip()} {done.returncode}"

    with Handlers() as handlers:
        runnings = [handlers.on_loop(start), handlers.in_thread(call), handlers.on_loop(start)]
        outcomes = [await asyncio.wait_for(running.outcome, 60) for running in runnings]
    assert [outcome.value for outcome in outcomes] == ["42 0", "54 0", "42 0"]


async def test_a_stopped_handler_can_end_the_program_it_started() -> None:
    """Cancellation reaches a handler that waits for a program."""
    started = threading.Event()
    codes = list[int | None]()

    async def wait() -> None:
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
        started.set()
        try:
            await program.wait()
        finally:
            program.kill()
            codes.append(await program.wait())

    with Handlers() as handlers:
        running = handlers.on_loop(wait)
        await asyncio.to_thread(started.wait, 60)
        running.stop()
        outcome = await asyncio.wait_for(running.outcome, 60)
    assert isinstance(outcome.error, asyncio.CancelledError)
    assert codes == [-9]


async def test_a_handler_that_is_stopped_before_it_began_is_heard_of() -> None:
    """The loop was busy with another handler: when it goes on, both have ended, and the stopped one did nothing."""
    entered, release = threading.Event(), threading.Event()
    done = list[str]()

    async def block() -> None:
        entered.set()
        release.wait(60)  # its loop is not free meanwhile: that is the point

    async def never() -> None:
        done.append("begun")

    with Handlers() as handlers:
        blocking = handlers.on_loop(block)
        await asyncio.to_thread(entered.wait, 60)
        stopped = handlers.on_loop(never)
        stopped.stop()
        release.set()
        outcomes = [await asyncio.wait_for(each.outcome, 60) for each in (blocking, stopped)]
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, asyncio.CancelledError)
    assert stopped.has_heard
    assert done == []


async def test_a_def_handler_may_run_an_event_loop_of_its_own() -> None:
    """`asyncio.run` in a thread is the standard library's, untouched."""

    async def inner() -> str:
        await asyncio.sleep(0)
        return type(asyncio.get_running_loop()).__module__

    with Handlers() as handlers:
        outcome = await asyncio.wait_for(handlers.in_thread(lambda: asyncio.run(inner())).outcome, 60)
    assert outcome.value == "asyncio.unix_events"


async def test_an_async_handler_hands_work_to_threads() -> None:
    async def work() -> list[int]:
        return list(await asyncio.gather(*(asyncio.to_thread(abs, -number) for number in range(5))))

    with Handlers() as handlers:
        outcome = await asyncio.wait_for(handlers.on_loop(work).outcome, 60)
    assert outcome.value == [0, 1, 2, 3, 4]
