"""The status of a run: now, and as it changes until the run ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.errors import RunNotFound
from moose_lib.operations.events import PendingTask, RunBegan, RunEvent
from moose_lib.operations.fold import Fold
from moose_lib.operations.reading import read_events, read_pending
from moose_lib.operations.records import RunState, RunStatus, RunSummary

__all__ = ["follow_run", "open_statuses", "run_status", "run_statuses", "standings"]

#: Attempts that fail and come again are not in the history until the last one; the server has to be asked.
_ASK_EVERY = timedelta(seconds=0.5)
_AT_A_TIME = 16
#: What a long poll answers when the connection or the server is gone for a moment.
_PASSING = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}


async def run_status(
    client: Client, workflow_id: str, run_id: str, *, on_event: Callable[[RunEvent], None] | None = None
) -> RunStatus:
    """Return how a run stands now. Needs no worker and no code of the user.

    `on_event` is called with everything recorded about the run, inputs and outputs included.

    Raises:
        RunNotFound: the server does not have the run.
    """
    fold = Fold(workflow_id)
    try:
        pending = await _pending(client, workflow_id)  # before the history, which wins where both know a task
        async for event in read_events(client, workflow_id, run_id, with_values=on_event is not None):
            fold.apply(event)
            if on_event is not None:
                on_event(event)
        return fold.status(_now(), await _last_pending(client, workflow_id, fold, pending))
    except RPCError as error:
        raise _not_found(workflow_id, error) from error


async def run_statuses(client: Client, runs: Iterable[RunSummary]) -> list[tuple[RunSummary, RunStatus]]:
    """Return how each of several runs stands now, in their order, without those that the server no longer has."""
    places = asyncio.Semaphore(_AT_A_TIME)

    async def status(run: RunSummary) -> tuple[RunSummary, RunStatus] | None:
        async with places:
            with suppress(RunNotFound):
                return run, await run_status(client, run.workflow_id, run.run_id)
        return None

    return [found for found in await asyncio.gather(*map(status, runs)) if found is not None]


async def open_statuses(client: Client, runs: Iterable[RunSummary]) -> list[tuple[RunSummary, RunStatus]]:
    """Return how those stand that a list of runs calls open: it is behind, and knows no parked tasks and no pauses."""
    return await run_statuses(client, [run for run in runs if run.state is RunState.RUNNING])


async def standings(client: Client, runs: Sequence[RunSummary]) -> list[tuple[RunSummary, RunStatus | None]]:
    """Return the runs of a list as they are now, with how the open ones stand."""
    fresh = {run.run_id: status for run, status in await open_statuses(client, runs)}
    return [(run if (now := fresh.get(run.run_id)) is None else run.as_of(now), fresh.get(run.run_id)) for run in runs]


def _unheard(status: RunStatus) -> None:
    """Only the end is of interest."""


async def follow_run(
    client: Client, workflow_id: str, run_id: str, on_change: Callable[[RunStatus], None] = _unheard
) -> RunStatus:
    """Call `on_change` with every new status of a run until it ends; return the last one.

    Waits on the history itself (a long poll), and starts over with it if the connection breaks.

    Raises:
        RunNotFound: the server does not have the run.
    """
    follower = _Follower(client, workflow_id, run_id, on_change)
    try:
        return await follower.run()
    except* RPCError as group:
        error = group.exceptions[0]
        raise (_not_found(workflow_id, error) if isinstance(error, RPCError) else error) from error


class _Follower:
    def __init__(self, client: Client, workflow_id: str, run_id: str, on_change: Callable[[RunStatus], None]) -> None:
        self._client = client
        self._workflow_id = workflow_id
        self._run_id = run_id
        self._on_change = on_change
        self._fold: Fold | None = None
        self._pending: tuple[PendingTask, ...] = ()
        self._changed = asyncio.Event()

    async def run(self) -> RunStatus:
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(self._ask()), tasks.create_task(self._tell())]
            await self._read()
            for helper in helpers:
                helper.cancel()
        assert self._fold is not None, "a run that ended has a history"
        self._pending = await _last_pending(self._client, self._workflow_id, self._fold, self._pending)
        return self._say()

    async def _read(self) -> None:
        pause = 0.1
        while True:
            fold = Fold(self._workflow_id)
            try:
                async for event in read_events(self._client, self._workflow_id, self._run_id, wait=True):
                    fold.apply(event)
                    self._fold = fold
                    if isinstance(event, RunBegan):
                        self._pending = ()  # what was pending in the life before says nothing about this one
                    self._changed.set()
            except RPCError as error:
                if error.status not in _PASSING:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5)
            else:
                return

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(_ASK_EVERY.total_seconds())
            if self._fold is None or not self._fold.has_pending:
                continue
            with suppress(RPCError):  # the reader knows better what an unreachable server means
                self._pending = await _pending(self._client, self._workflow_id)
                self._changed.set()

    async def _tell(self) -> None:
        """Tell once for all that arrived together: a wide graph brings hundreds of events in one page."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._say()

    def _say(self) -> RunStatus:
        assert self._fold is not None  # the first event of a history sets it
        status = self._fold.status(_now(), self._pending)
        self._on_change(status)
        return status


async def _last_pending(
    client: Client, workflow_id: str, fold: Fold, pending: tuple[PendingTask, ...]
) -> tuple[PendingTask, ...]:
    """Return what is pending in the run that was read: a terminated one keeps what was, a newer one has its own."""
    if not fold.has_pending:
        return ()
    return pending if fold.closed_run_id is None else await _pending(client, workflow_id, fold.closed_run_id)


async def _pending(client: Client, workflow_id: str, run_id: str | None = None) -> tuple[PendingTask, ...]:
    """Return what is pending in a run, by default in the newest one with this id."""
    description = await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
    activities: list[PendingActivityInfo] = list(description.raw_description.pending_activities)
    return await read_pending(client.data_converter, activities)


def _not_found(workflow_id: str, error: RPCError) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND:
        return RunNotFound(f"no run named {workflow_id!r}", hint="moose-cli workflow history")
    return error


def _now() -> datetime:
    return datetime.now(UTC)
