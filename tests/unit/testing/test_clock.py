"""The virtual clock: hours pass in no time, and nothing real is cut short."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from moose_lib.testing.clock import VirtualClock, VirtualLoop

HOUR = 3600.0


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def timed(loop: VirtualLoop, main: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Run `main`; virtual and real seconds it took."""
    virtual, real = loop.time(), time.monotonic()

    async def run() -> None:
        await main()

    loop.run_until_complete(run())
    return loop.time() - virtual, time.monotonic() - real


def test_an_hour_of_sleep_takes_no_time(loop: VirtualLoop) -> None:
    virtual, real = timed(loop, lambda: asyncio.sleep(HOUR))
    assert virtual == pytest.approx(HOUR)
    assert real < 10  # not the hour, and slow machines have their time


def test_years_pass_in_one_go(loop: VirtualLoop) -> None:
    virtual, _ = timed(loop, lambda: asyncio.sleep(10 * 365 * 24 * HOUR))
    assert virtual == pytest.approx(10 * 365 * 24 * HOUR)


def test_timeouts_fire_at_their_virtual_moment(loop: VirtualLoop) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(HOUR)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 30)
        assert await asyncio.wait_for(asyncio.sleep(29, "in time"), 30) == "in time"

    virtual, real = timed(loop, main)
    assert virtual == pytest.approx(60 + 30 + 29)
    assert real < 10  # not the hour, and slow machines have their time


def test_tasks_wake_in_the_order_of_their_timers_each_time() -> None:
    async def main(order: list[int]) -> None:
        async def wake(number: int) -> None:
            await asyncio.sleep((number * 7919) % 100)
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(wake(number))

    seen = list[list[int]]()
    for _ in range(3):
        seen.append([])
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main(seen[-1]))
    assert seen[0] == sorted(range(100), key=lambda number: (number * 7919) % 100)
    assert seen[0] == seen[1] == seen[2]


def test_a_thread_is_waited_for_and_its_time_counts(loop: VirtualLoop) -> None:
    async def main() -> None:
        async with asyncio.timeout(HOUR):  # must not fire by a jump while the thread works
            await asyncio.to_thread(time.sleep, 0.1)

    virtual, real = timed(loop, main)
    assert 0.1 <= virtual < 5
    assert real >= 0.1


def test_a_thread_of_a_users_own_pool_counts_too(loop: VirtualLoop) -> None:
    with ThreadPoolExecutor(1) as pool:

        async def main() -> None:
            work = asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.1)
            await asyncio.wait_for(work, HOUR)

        virtual, _ = timed(loop, main)
    assert 0.1 <= virtual < 5


def test_a_timeout_can_cut_a_real_wait_short(loop: VirtualLoop) -> None:
    release = threading.Event()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(release.wait), 0.05)
        release.set()

    _, real = timed(loop, main)
    assert real >= 0.05


def test_time_jumps_again_when_the_thread_is_done(loop: VirtualLoop) -> None:
    async def main() -> None:
        await asyncio.to_thread(time.sleep, 0.02)
        await asyncio.sleep(HOUR)

    virtual, real = timed(loop, main)
    assert HOUR <= virtual < HOUR + 5
    assert real < 5


def test_a_socket_answers_in_real_time(loop: VirtualLoop) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, asyncio.timeout(HOUR):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            assert await reader.readline() == b"HELLO\n"
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(HOUR)

    virtual, real = timed(loop, main)
    assert HOUR <= virtual < HOUR + 10
    assert real < 10


@pytest.mark.parametrize("by_shell", [False, True])
def test_a_child_process_is_waited_for(loop: VirtualLoop, by_shell: bool) -> None:
    async def main() -> None:
        if by_shell:
            child = await asyncio.create_subprocess_shell(f"{sys.executable} -c 'raise SystemExit(7)'")
        else:
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(7)")
        assert await asyncio.wait_for(child.wait(), HOUR) == 7
        await asyncio.sleep(HOUR)

    virtual, _ = timed(loop, main)
    assert HOUR <= virtual < HOUR + 30
    assert not loop.clock.is_real


def test_a_child_process_that_cannot_start_holds_nothing(loop: VirtualLoop) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/no/such/program")

    timed(loop, main)
    assert not loop.clock.is_real


def test_the_real_clocks_are_left_alone(loop: VirtualLoop) -> None:
    before = time.time()
    timed(loop, lambda: asyncio.sleep(HOUR))
    assert time.time() - before < HOUR / 2


def test_a_clock_held_twice_runs_until_released_twice() -> None:
    clock = VirtualClock()
    clock.jump(5)
    assert clock.time() == 5
    clock.hold()
    clock.hold()
    clock.release()
    assert clock.is_real
    time.sleep(0.01)
    assert clock.time() > 5
    clock.release()
    frozen = clock.time()
    time.sleep(0.01)
    assert clock.time() == frozen
