"""An event loop whose time jumps to the next timer when nothing else can happen.

`asyncio.sleep(3600)`, timeouts and retry back-off take no real time, and the order of what happens is the same each
time. Only the loop's own clock (`loop.time()`) is virtual: `time.time`, `time.monotonic` and `datetime.now` stay real.

While something is under way that only real time can finish (a thread, a child process, a socket) the clock runs at its
normal pace and jumps again afterwards. Threads which the loop did not start are not seen.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

from moose_lib.dmv2.deliveries import numbered_task

__all__ = ["VirtualClock", "VirtualLoop"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_RESOLUTION = time.get_clock_info("monotonic").resolution


class VirtualClock:
    """Seconds since the loop was made: stands still and jumps, or runs with real time while it is held."""

    def __init__(self) -> None:
        self._base = 0.0
        self._holds = 0
        self._since = 0.0

    @property
    def is_real(self) -> bool:
        """Something is under way that only real time can finish."""
        return self._holds > 0

    def time(self) -> float:
        """Now, in seconds."""
        return self._base + (time.monotonic() - self._since if self.is_real else 0.0)

    def hold(self) -> None:
        """Run with real time until `release` was called as often as `hold`."""
        if not self.is_real:
            self._since = time.monotonic()
        self._holds += 1

    def release(self) -> None:
        """Undo one `hold`."""
        now = self.time()
        self._holds -= 1
        if not self.is_real:
            self._base = now

    def jump(self, seconds: float) -> None:
        """Move on without waiting; only while nobody holds the clock."""
        now = self._base + seconds
        # asyncio runs what is due before now + its resolution; after three months that sum is `now` itself again.
        self._base = now if now + _RESOLUTION > now else math.nextafter(now, math.inf)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A standard selector event loop on a `VirtualClock`."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        selector = _JumpingSelector(self.clock)
        super().__init__(selector)
        self.set_task_factory(numbered_task)
        selector.watch()  # what is registered from here on is not the loop's own wake-up pipe

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.clock.time()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """As in asyncio; the clock runs with real time until the thread is done."""
        self.clock.hold()
        try:
            future = super().run_in_executor(executor, func, *args)
        except BaseException:
            self.clock.release()
            raise
        future.add_done_callback(lambda _: self.clock.release())
        return future

    # Any: passed through to asyncio untouched, its own signature is as loose
    async def subprocess_exec(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """As in asyncio; the clock runs with real time until the process has ended."""
        return await self._with_process(super().subprocess_exec, protocol_factory, args, options)

    async def subprocess_shell(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """As in asyncio; the clock runs with real time until the process has ended."""
        return await self._with_process(super().subprocess_shell, protocol_factory, args, options)

    async def _with_process(
        self, start: Callable[..., Any], protocol_factory: Callable[[], Any], args: Any, options: Any
    ) -> Any:
        self.clock.hold()
        try:
            return await start(lambda: _releasing(protocol_factory(), self.clock.release), *args, **options)
        except BaseException:
            self.clock.release()
            raise


def _releasing(protocol: Any, release: Callable[[], None]) -> Any:  # Any: whatever class the caller's factory makes
    exited = protocol.process_exited

    def process_exited() -> None:
        release()
        exited()

    protocol.process_exited = process_exited
    return protocol


class _JumpingSelector(selectors.BaseSelector):
    """A selector that does not wait for timers: with nothing to wait for it moves the clock instead."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._inner = selectors.DefaultSelector()
        self._is_watching = False

    def watch(self) -> None:
        self._is_watching = True

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._inner.register(fileobj, events, data)
        if self._is_watching:
            self._clock.hold()
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._inner.unregister(fileobj)
        if self._is_watching and self._clock.is_real:  # the loop's own pipe goes when the loop is closed
            self._clock.release()
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self._clock.is_real:
            return self._inner.select(timeout)
        happened = self._inner.select(0)
        if not happened:
            self._clock.jump(timeout)
        return happened

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()
