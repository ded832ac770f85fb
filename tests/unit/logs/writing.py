"""Lines to write, and folders to look into."""

from __future__ import annotations

from pathlib import Path

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.lines import Level, Line
from moose_lib.logs.reading import LogReader, Wanted

RUN = RunInfo(workflow="Order", workflow_id="Order-1f", run_id="r1", task="charge", attempt=1)


def line(message: str, *, time: float = 1.0, run: RunInfo = RUN, level: Level = "info") -> Line:
    return Line(time, level, "print", "stdout", message, run)


def messages(directory: Path, **wanted: object) -> list[str]:
    return [it.message for it in LogReader(directory, Wanted(**wanted)).read()]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # named as the fields of Wanted


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())
