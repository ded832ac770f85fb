"""A stop reaches the call it is meant for, at whatever moment, and no other."""

from __future__ import annotations

import asyncio
import random
import threading
import time

from moose_lib.engine.threads import HandlerStopped, Threads


async def test_a_stop_is_raised_in_the_running_call() -> None:
    """`finally` runs, and the call knows that it was heard."""
    threads = Threads()
    begun, cleaned = threading.Event(), list[bool]()

    def forever() -> None:
        try:
            begun.set()
            while True:
                time.sleep(0.01)
        finally:
            cleaned.append(running.has_heard)

    running = threads.run(forever)
    assert await asyncio.to_thread(begun.wait, 10)
    running.stop()
    outcome = await asyncio.wait_for(running.outcome, 10)
    assert isinstance(outcome.error, HandlerStopped)
    assert cleaned == [True]
    threads.close()


async def test_stops_at_any_moment_hit_nobody_else() -> None:
    """Calls that end at about the time they are stopped: each has its own outcome, the calls after it are whole."""
    threads = Threads()
    chance = random.Random(7)

    def count(steps: int) -> int:
        return sum(range(steps))

    for _ in range(1000):
        steps = chance.randint(0, 3000)
        stopped = threads.run(lambda steps=steps: count(steps))  # type: ignore[misc]  # bound now
        await asyncio.sleep(chance.random() * 0.0003)
        if not stopped.outcome.done():
            stopped.stop()
        outcome = await asyncio.wait_for(stopped.outcome, 10)
        assert outcome.value == sum(range(steps)) or isinstance(outcome.error, HandlerStopped)
        whole = await asyncio.wait_for(threads.run(lambda: "whole").outcome, 10)
        assert whole.value == "whole"
    threads.close()


async def test_a_stop_before_the_begin_counts() -> None:
    """A call that is stopped at once does not run to its end."""
    threads = Threads()
    running = threads.run(lambda: time.sleep(0.2))
    running.stop()
    assert isinstance((await asyncio.wait_for(running.outcome, 10)).error, HandlerStopped)
    threads.close()


async def test_threads_are_used_again_and_end() -> None:
    """One call after the other needs one thread; closing ends it, also while it is busy."""
    threads = Threads()
    first = await threads.run(threading.current_thread).outcome
    async with asyncio.timeout(10):
        while not threads._idle:  # noqa: ASYNC110  # it is given back a moment after its outcome
            await asyncio.sleep(0.001)
    second = await threads.run(threading.current_thread).outcome
    assert first.value is second.value
    assert isinstance(second.value, threading.Thread)
    release = threading.Event()
    busy = threads.run(lambda: release.wait(10))
    threads.close()
    release.set()
    await busy.outcome
    await asyncio.to_thread(second.value.join, 10)
    assert not second.value.is_alive()
