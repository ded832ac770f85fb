"""Reading a project's logs: all files together in the order of time, once or as they grow."""

from __future__ import annotations

import contextlib
import heapq
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Final

from moose_lib.logs.lines import LEVELS, Level, Line, from_json
from moose_lib.logs.store import log_files

__all__ = ["Known", "LogReader", "Named", "Wanted", "find_known", "find_named", "has_task"]

_STAMP: Final = "%Y%m%dT%H%M%S.%f"
#: How many lines of a file are held back to be put in order.
_HELD: Final = 200


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines are asked for; what is None does not matter. `since` is seconds since 1970."""

    workflow_id: str | None = None
    run_id: str | None = None
    task: str | None = None
    attempt: int | None = None
    level: Level | None = None
    since: float | None = None

    def has(self, line: Line) -> bool:
        """Tell whether a line is among them."""
        run = line.run
        return (
            (self.workflow_id is None or run.workflow_id == self.workflow_id)
            and (self.run_id is None or run.run_id == self.run_id)
            and (self.task is None or run.task == self.task)
            and (self.attempt is None or run.attempt == self.attempt)
            and (self.level is None or LEVELS.index(line.level) >= LEVELS.index(self.level))
            and (self.since is None or line.time >= self.since)
        )

    @property
    def sought(self) -> tuple[bytes, ...]:
        """What stands in each of these lines on disk, as far as that is known."""
        return tuple(_written(it) for it in (self.workflow_id, self.run_id, self.task) if it is not None)


class LogReader:
    """Reads the lines of a folder that are wanted; each `read` goes on where the last one ended."""

    def __init__(self, directory: Path, wanted: Wanted, *, sought: Sequence[bytes] = ()) -> None:
        self._directory = directory
        self._wanted = wanted
        self._sought = (*sought, *wanted.sought)
        self._offsets: dict[str, int] = {}

    def read(self) -> Iterator[Line]:
        """Yield what is new, in the order of time; a file is opened when its time has come."""
        waiting = deque((_begin(path), path) for path in log_files(self._directory) if self._is_new(path))
        reading: list[tuple[float, int, Line, Iterator[Line]]] = []
        number = 0
        while waiting or reading:
            while waiting and (not reading or waiting[0][0] <= reading[0][0]):
                number += 1
                _push(reading, number, _in_order(self._lines(waiting.popleft()[1])))
            if reading:
                _, nth, line, rest = heapq.heappop(reading)
                yield line
                _push(reading, nth, rest)

    def read_last(self, count: int) -> list[Line]:
        """Return the last lines, reading no files that are older than they; `read` goes on after them."""
        found = list[Line]()
        for path, changed, size in sorted(self._changed(), key=itemgetter(1), reverse=True):
            if count == 0 or (len(found) == count and changed < found[0].time):
                self._offsets[path.name] = size
                continue
            newest = deque(_in_order(self._lines(path)), count)
            found = sorted([*newest, *found], key=attrgetter("time"))[-count:]
        return found

    def _changed(self) -> Iterator[tuple[Path, float, int]]:
        for path in log_files(self._directory):
            if self._is_new(path):
                with contextlib.suppress(FileNotFoundError):
                    about = path.stat()
                    yield path, about.st_mtime, about.st_size

    def _is_new(self, path: Path) -> bool:
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        since = self._wanted.since
        return found.st_size > self._offsets.get(path.name, 0) and (since is None or found.st_mtime >= since)

    def _lines(self, path: Path) -> Iterator[Line]:
        for data in self._whole_lines(path):
            if all(it in data for it in self._sought):
                line = from_json(data)
                if line is not None and self._wanted.has(line):
                    yield line

    def _whole_lines(self, path: Path) -> Iterator[bytes]:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # the oldest make room for new ones at any time
            return
        with file:
            file.seek(self._offsets.get(path.name, 0))
            for data in file:
                if not data.endswith(b"\n"):
                    return
                self._offsets[path.name] = self._offsets.get(path.name, 0) + len(data)
                yield data


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a reference turned out to name: all of a workflow id, or one run id of it, and the tasks that wrote."""

    workflow: str
    workflow_id: str
    run_id: str | None
    tasks: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names that lines on disk bear."""

    workflows: frozenset[str]
    workflow_ids: frozenset[str]


def find_named(directory: Path, reference: str) -> Named | None:
    """Find what `reference` names: a workflow id, a run id, or a workflow, whose latest run with logs is meant."""
    runs = dict[tuple[str, str, str], set[str]]()  # in the order of their first lines
    for line in LogReader(directory, Wanted(), sought=(_written(reference),)).read():
        run = line.run
        runs.setdefault((run.workflow, run.workflow_id, run.run_id), set()).add(run.task)
    for workflow, workflow_id, run_id in reversed(runs):
        if run_id == reference:
            tasks = frozenset(runs[workflow, workflow_id, run_id])
            return Named(workflow=workflow, workflow_id=workflow_id, run_id=run_id, tasks=tasks)
    ids = [key for key in runs if key[1] == reference] or [key for key in runs if key[0] == reference]
    if not ids:
        return None
    workflow, workflow_id, _ = ids[-1]
    tasks = frozenset(task for key in runs if key[1] == workflow_id for task in runs[key])
    return Named(workflow=workflow, workflow_id=workflow_id, run_id=None, tasks=tasks)


def find_known(directory: Path) -> Known:
    """Collect the names; reads everything."""
    runs = {(line.run.workflow, line.run.workflow_id) for line in LogReader(directory, Wanted()).read()}
    return Known(workflows=frozenset(it[0] for it in runs), workflow_ids=frozenset(it[1] for it in runs))


def has_task(directory: Path, task: str) -> bool:
    """Tell whether a task of this name has written anything."""
    return any(LogReader(directory, Wanted(task=task)).read())


def _push(reading: list[tuple[float, int, Line, Iterator[Line]]], number: int, lines: Iterator[Line]) -> None:
    line = next(lines, None)
    if line is not None:
        heapq.heappush(reading, (line.time, number, line, lines))


def _in_order(lines: Iterator[Line]) -> Iterator[Line]:
    """Put lines right that threads of one process handed over in another order than they wrote them."""
    held = list[tuple[float, int, Line]]()
    for number, line in enumerate(lines):
        heapq.heappush(held, (line.time, number, line))
        if len(held) > _HELD:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]


def _begin(path: Path) -> float:
    """Return the time of a file's first line, which its name says; a file with another name comes first."""
    try:
        return datetime.strptime(path.name.partition("-")[0], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _written(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode(errors="backslashreplace")
