"""Waiting for runs that were canceled: each until its last on_cancel has ended, all of them for one time together."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from moose_lib.cli.failing import INTERRUPTED
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session
from moose_lib.cli.worker_commands import worker_commands
from moose_lib.durations import format_duration
from moose_lib.errors import GaveUpWaiting
from moose_lib.operations.following import follow_run
from moose_lib.operations.records import RunStatus, RunSummary
from moose_lib.operations.workers import is_cancel_heard, list_pollers

if TYPE_CHECKING:
    from moose_lib.operations.connecting import Client

__all__ = ["CancelWait"]

#: How long a worker that is there may take to hear of it; without a known worker there is less to wait for.
_PATIENCE: Final = timedelta(seconds=5)
_NO_PATIENCE: Final = timedelta(seconds=1)


class CancelWait:
    """Stays with canceled runs, at most for `patience`, and says once of a task queue that nobody works for it."""

    def __init__(self, output: Output, session: Session, patience: timedelta | None) -> None:
        self._output = output
        self._session = session
        self._patience = patience
        self._end: float | None = None
        self._told = set[str]()
        self._waited_for: str | None = None

    async def until_end(self, client: Client, run: RunSummary) -> RunStatus:
        """Stay until the run has ended.

        Raises:
            GaveUpWaiting: it has not by the time that there is for all of them.
        """
        self._waited_for = run.workflow_id
        if self._end is None and self._patience is not None:
            self._end = asyncio.get_running_loop().time() + self._patience.total_seconds()
        warning = asyncio.create_task(self._warn_if_unheard(client, run))
        try:
            async with asyncio.timeout_at(self._end):
                return await follow_run(client, run.workflow_id, run.run_id)
        except TimeoutError:
            raise GaveUpWaiting(run.workflow_id, run.run_id, format_duration(self._patience)) from None
        finally:
            warning.cancel()

    def detached(self) -> int:
        """Ctrl-C ends the waiting, not what was asked for; returns the exit code."""
        if self._waited_for is not None:
            self._output.talk("")
            self._output.note(f"{self._waited_for} is still being canceled: what was asked for stays")
            self._output.hint(f"moose-cli workflow status {self._waited_for} --watch")
        return INTERRUPTED

    async def _warn_if_unheard(self, client: Client, run: RunSummary) -> None:
        queue = run.task_queue
        if queue in self._told:
            return
        has_worked = bool(await list_pollers(client, queue))
        if await is_cancel_heard(client, run, within=_PATIENCE if has_worked else _NO_PATIENCE):
            return
        self._told.add(queue)
        lately = f"though some have worked for task queue {queue!r} lately"
        why = lately if has_worked else f"nobody works for task queue {queue!r}"
        aside = worker_commands(self._session, queue).aside
        self._output.note(f"no worker has heard of it yet: {why}; {aside}")
