"""`moose-cli logs --follow`: the files as they grow, until the run is over.

Files are looked at a few times a second instead of being watched: that works in every file system, shared ones too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from moose_lib.cli.log_reading import Request, not_found, require_task, show_lines
from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session, open_session
from moose_lib.errors import EngineUnreachable, RunNotFound
from moose_lib.logs.lines import Line
from moose_lib.logs.reading import LogReader, Named, Wanted, find_named
from moose_lib.logs.store import LOGS_DIRECTORY
from moose_lib.operations.connecting import connected
from moose_lib.operations.following import follow_run
from moose_lib.operations.listing import find_run
from moose_lib.operations.records import RunStatus, RunSummary

__all__ = ["follow_logs"]

_LOOK_SECONDS: Final = 0.2
#: A worker writes a line a moment after its task, a busy one later: when the run is over, it is looked at this pace
#: until so many looks in a row have brought nothing, and at most so many times.
_LATE_LOOK_SECONDS: Final = 0.1
_QUIET_LOOKS: Final = 5
_MOST_LATE_LOOKS: Final = 100
_ASK_AGAIN_SECONDS: Final = 2.0
#: Without a run the project's logs may be long: how much of them to begin with.
_FIRST_LINES: Final = 20


def follow_logs(output: Output, target: Target, request: Request) -> int:
    """Print lines until the run is over; without a run, until Ctrl-C."""
    wanted = request.wanted()
    return asyncio.run(_Follower(output, open_session(target), request).follow(wanted))


class _Follower:
    def __init__(self, output: Output, session: Session, request: Request) -> None:
        self._output = output
        self._session = session
        self._request = request
        self._directory = session.settings.state_directory / LOGS_DIRECTORY

    async def follow(self, wanted: Wanted) -> int:
        ending: asyncio.Future[RunStatus | None]
        if self._request.reference is None:
            require_task(self._session, self._directory, self._request, None)
            ending = asyncio.get_running_loop().create_future()
        else:
            named = await self._named(self._request.reference)
            require_task(self._session, self._directory, self._request, named)
            wanted = replace(wanted, workflow_id=named.workflow_id, run_id=named.run_id)
            ending = asyncio.ensure_future(self._ending(named.workflow_id))
        reader = LogReader(self._directory, wanted)
        show_lines(self._output, wanted, self._first(reader))
        while not ending.done():
            await asyncio.wait({ending}, timeout=_LOOK_SECONDS)
            show_lines(self._output, wanted, reader.read())
        await self._show_late(wanted, reader)
        status = ending.result()
        if status is not None:
            self._output.note(f"{status.workflow_id} {status.state.value.replace('_', ' ')}")
        return 0

    async def _show_late(self, wanted: Wanted, reader: LogReader) -> None:
        """Show what is written of a run that is over, until it seems to be all."""
        quiet = 0
        for _ in range(_MOST_LATE_LOOKS):
            await asyncio.sleep(_LATE_LOOK_SECONDS)
            quiet = 0 if show_lines(self._output, wanted, reader.read()) else quiet + 1
            if quiet == _QUIET_LOOKS:
                return

    def _first(self, reader: LogReader) -> Iterable[Line]:
        tail = self._request.tail
        if tail is None and self._request.reference is None and self._request.since is None:
            tail = _FIRST_LINES
        return reader.read() if tail is None else reader.read_last(tail)

    async def _named(self, reference: str) -> Named:
        """Find the run: the server knows one that has logged nothing yet, the disk one that the server has forgotten.

        Raises:
            RunNotFound: neither does.
        """
        on_disk = find_named(self._directory, reference)
        run = await self._on_server(reference)
        if run is None and on_disk is None:
            raise not_found(self._directory, reference, ())
        if run is None or (on_disk is not None and on_disk.workflow_id == run.workflow_id):
            assert on_disk is not None, "one of the two is known"
            return on_disk
        run_id = reference if run.run_id == reference else None
        return Named(workflow=run.name, workflow_id=run.workflow_id, run_id=run_id, tasks=frozenset())

    async def _on_server(self, reference: str) -> RunSummary | None:
        try:
            async with connected(self._session.settings) as client:
                return await find_run(client, reference)
        except (EngineUnreachable, RunNotFound):
            return None

    async def _ending(self, workflow_id: str) -> RunStatus | None:
        """Wait for the end of the run; None if the server does not know it, so that nothing more can come."""
        is_told = False
        while True:
            try:
                async with connected(self._session.settings) as client:
                    run = await find_run(client, workflow_id)
                    return await follow_run(client, run.workflow_id, run.run_id)
            except RunNotFound:
                return None
            except EngineUnreachable as error:
                if not is_told:
                    self._output.note(f"{error.message}; following until Ctrl-C, as nobody can tell when the run ends")
                is_told = True
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
