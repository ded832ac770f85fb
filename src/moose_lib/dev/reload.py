"""Keeping one worker on the newest code that loads.

A save starts a new worker beside the old one; only when the new one polls is the old one asked to go. So there is
always one that works, and running tasks finish on the code they began with. Code that is refused changes nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from moose_lib.dev.backoff import Backoff
from moose_lib.dev.events import CodeRefused, OnEvent, ProcessDied, ProcessReady, Reloaded, Reloading
from moose_lib.dev.readiness import Ready
from moose_lib.dev.saves import Saved, Saves
from moose_lib.dev.waiting import first_of, forever
from moose_lib.dev.worker import REFUSED, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from moose_lib.dev.process import Command

#: Old workers that still finish tasks; when more are there, the oldest is told to hurry.
MOST_LEAVING = 3


class _Outcome(Enum):
    READY = auto()
    DIED = auto()
    OUTDATED = auto()


class Workers:
    """The worker of a session, through reloads and crashes."""

    def __init__(
        self,
        *,
        command: Callable[[], Command],
        grace: timedelta,
        saves: Saves,
        on_event: OnEvent,
        on_loaded: Callable[[Worker], None],
    ) -> None:
        self._command = command
        self._grace = grace
        self._saves = saves
        self._on_event = on_event
        self._on_loaded = on_loaded
        self._backoff = Backoff()
        self._serving: Worker | None = None
        self._candidate: Worker | None = None
        self._leaving: dict[Worker, asyncio.Task[None]] = {}
        self.settled = asyncio.Event()

    @property
    def serving(self) -> Worker | None:
        """The worker that polls, if there is one."""
        return self._serving

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of all workers that were started and may live."""
        workers = (self._serving, self._candidate, *self._leaving)
        return tuple(worker.pid for worker in workers if worker is not None and worker.is_alive)

    async def run(self) -> None:
        """Start a worker and keep one on the newest code, until cancelled; `settled` is set when the first is done."""
        saved = Saved()
        while True:
            candidate = await self._start()
            match await self._settle(candidate):
                case _Outcome.READY:
                    self._promote(candidate, saved)
                    saved = await self._until_needed()
                case _Outcome.OUTDATED:
                    self._retire(candidate, timedelta())
                    saved |= self._saves.take()
                case _Outcome.DIED:
                    saved = await self._after_death(candidate, saved)
            self._candidate = None

    async def stop(self, grace: timedelta, hurry: asyncio.Event) -> None:
        """Let every worker finish what it runs within the grace, then see to it that all are gone."""
        for worker in (self._serving, self._candidate):
            if worker is not None and worker.is_alive:
                self._retire(worker, grace)
        self._serving = self._candidate = None
        if self._leaving:
            await first_of(asyncio.wait(list(self._leaving.values())), hurry.wait(), within=grace)
        for worker in self._leaving:
            worker.hurry()
        await asyncio.gather(*self._leaving.values())

    async def _start(self) -> Worker:
        self._candidate = Worker(self._on_event)
        await self._candidate.start(self._command())
        return self._candidate

    async def _settle(self, candidate: Worker) -> _Outcome:
        """Wait until the new worker polls, has died, or a newer save makes it pointless."""
        while True:
            watched = self._serving
            is_ready, is_dead, has_save, serving_died = await first_of(
                candidate.wait_ready(), candidate.wait(), self._saves.wait(), _end_of(watched)
            )
            if is_ready:
                return _Outcome.READY
            if is_dead:
                return _Outcome.DIED
            if serving_died and watched is not None:
                await self._mourn(watched, timedelta())
            if has_save:
                return _Outcome.OUTDATED

    def _promote(self, worker: Worker, saved: Saved) -> None:
        old, self._serving, self._candidate = self._serving, worker, None
        ready = worker.ready
        if not saved.files:
            self._on_event(ProcessReady(source="worker", pid=worker.pid, took=worker.age))
        else:
            took = timedelta(seconds=asyncio.get_running_loop().time() - saved.at)
            told = Ready() if ready is None else ready
            self._on_event(
                Reloaded(
                    pid=worker.pid,
                    took=took,
                    files=saved.files,
                    workflows=told.workflows,
                    news=told.news,
                    notes=told.notes,
                )
            )
        self._on_loaded(worker)
        self.settled.set()
        if old is not None:
            self._retire(old, self._grace)

    async def _until_needed(self) -> Saved:
        """Wait for a save, or for the death of the serving worker and the pause after it; returns what was saved."""
        watched = self._serving
        has_save, has_died = await first_of(self._saves.wait(), _end_of(watched))
        if has_died and watched is not None:
            await self._pause_after(watched)
        elif has_save:
            return self._reloading(Saved())
        return self._saves.take()

    async def _after_death(self, candidate: Worker, saved: Saved) -> Saved:
        exit_ = await candidate.wait()
        if exit_.code != REFUSED:
            candidate.release_output()
            await self._pause_after(candidate)
            return saved | self._saves.take()
        serving = None if self._serving is None else self._serving.pid
        self._on_event(CodeRefused(text=candidate.take_errors(), serving=serving, files=saved.files))
        self._on_loaded(candidate)
        self._candidate = None
        self.settled.set()
        return await self._until_needed()

    def _reloading(self, saved: Saved) -> Saved:
        saved |= self._saves.take()
        self._on_event(Reloading(files=saved.files))
        return saved

    async def _pause_after(self, dead: Worker) -> None:
        """Wait before the next start, unless a save comes: new code deserves a try at once."""
        exit_ = await dead.wait()
        pause = self._backoff.after(exit_.lived)
        await self._mourn(dead, pause)
        await first_of(self._saves.wait(), within=pause)

    async def _mourn(self, dead: Worker, restart_in: timedelta) -> None:
        exit_ = await dead.wait()
        if dead is self._serving:
            self._serving = None
        self._on_event(ProcessDied(source="worker", pid=dead.pid, exit=exit_, restart_in=restart_in))

    def _retire(self, worker: Worker, grace: timedelta) -> None:
        if worker in self._leaving:
            return
        task = asyncio.create_task(worker.leave(grace))
        task.add_done_callback(lambda _: self._leaving.pop(worker, None))
        self._leaving[worker] = task
        if len(self._leaving) > MOST_LEAVING:
            next(iter(self._leaving)).hurry()


async def _end_of(worker: Worker | None) -> None:
    if worker is None:
        await forever()
    else:
        await worker.wait()
