"""`/admin/logs`: what tasks wrote, as `moose-cli logs --json` tells it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moose_lib.durations import parse_age
from moose_lib.errors import InvalidDuration
from moose_lib.logs.lines import LEVELS, document
from moose_lib.logs.reading import LogReader, Wanted, find_named
from moose_lib.logs.store import LOGS_DIRECTORY
from moose_lib.operations.listing import find_run
from moose_lib.project.loader import LoadedProject
from moose_lib.server.described import DescribedRoute, Parameter
from moose_lib.server.engine import Engine
from moose_lib.server.queries import whole_number
from moose_lib.server.refusals import BadRequest

_LINES: Final = 1000
_MOST: Final = 10_000
#: Temporal's numbers end there.
_LAST_ATTEMPT: Final = 2**31 - 1
_PARAMETERS: Final = (
    Parameter("run", "A run's id, workflow id, or the latest run of a workflow.", {"type": "string"}),
    Parameter("task", "Only this task's.", {"type": "string"}),
    Parameter("attempt", "Only this attempt's, from 1.", {"type": "integer", "minimum": 1, "maximum": _LAST_ATTEMPT}),
    Parameter("level", "This level and above.", {"type": "string", "enum": list(LEVELS)}),
    Parameter("since", "Not older than this: 10m.", {"type": "string"}),
    Parameter("tail", f"The last so many lines; unset: {_LINES}.", {"type": "integer", "minimum": 1, "maximum": _MOST}),
)


class Logs:
    """The route on logs, those of this machine's workers."""

    def __init__(self, project: LoadedProject, engine: Engine) -> None:
        self._directory = project.project.settings.state_directory / LOGS_DIRECTORY
        self._workflows = frozenset(project.plans)
        self._engine = engine

    def routes(self, prefix: str) -> list[DescribedRoute]:
        """All of them; `prefix` is that of the server."""
        return [DescribedRoute(f"{prefix}/admin/logs", self.read, methods=["GET"], parameters=_PARAMETERS)]

    async def read(self, request: Request) -> Response:
        """The last lines, none of a run that has logged nothing; `?run=Orders&task=charge&level=warning&tail=100`."""
        query = request.query_params
        count = whole_number(query, "tail", _LINES, most=_MOST)
        attempt = None if "attempt" not in query else whole_number(query, "attempt", 1, most=_LAST_ATTEMPT)
        try:
            since = None if "since" not in query else parse_age(query["since"])
        except InvalidDuration as error:
            raise BadRequest(f"since: {error.message}") from None
        level = query.get("level")
        if level is not None and level not in LEVELS:
            raise BadRequest(f"level: no level {level!r}; there are {', '.join(LEVELS)}")
        wanted = Wanted(
            task=query.get("task"),
            attempt=attempt,
            level=level,
            since=None if since is None else time.time() - since.total_seconds(),
        )
        reference = query.get("run")
        lines = await asyncio.to_thread(_last, self._directory, reference, wanted, count)
        if lines is None and reference is not None:
            await self._require(reference)
        return JSONResponse([] if lines is None else lines)

    async def _require(self, reference: str) -> None:
        """Tell a run that has logged nothing from one that does not exist.

        Raises:
            RunNotFound: it does not.
            EngineUnreachable: nobody knows.
        """
        if reference not in self._workflows:
            async with self._engine.client() as client:
                await find_run(client, reference)


def _last(directory: Path, reference: str | None, wanted: Wanted, count: int) -> list[dict[str, object]] | None:
    """`None`: no line is of such a run."""
    if reference is not None:
        named = find_named(directory, reference)
        if named is None:
            return None
        wanted = replace(wanted, workflow_id=named.workflow_id, run_id=named.run_id)
    return [document(line) for line in LogReader(directory, wanted).read_last(count)]
