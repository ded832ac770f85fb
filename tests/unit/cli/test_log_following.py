"""The last lines of a run that `logs --follow` has seen end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from moose_lib.cli import log_following
from moose_lib.cli.log_reading import Request
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.lines import PRINT, Line
from moose_lib.logs.reading import LogReader, Wanted
from moose_lib.project.settings import Settings

RUN = RunInfo(workflow="Order", workflow_id="Order-1", run_id="r1", task="charge", attempt=1)
NOTHING = [0] * (log_following._QUIET_LOOKS - 1)


class Late:
    """As much of a reader as looking takes: how many lines each look brings, and in the end for ever."""

    def __init__(self, brought: Sequence[int], for_ever: int = 0) -> None:
        self._brought = iter(brought)
        self._for_ever = for_ever
        self.looks = 0

    def read(self) -> Iterator[Line]:
        self.looks += 1
        for _ in range(next(self._brought, self._for_ever)):
            yield Line(1.0, "info", PRINT, "stdout", f"at look {self.looks}", RUN)


async def shown(late: Late, root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    request = Request(reference="Order-1", task=None, attempt=None, level=None, since=None, tail=None)
    follower = log_following._Follower(Output(), Session(settings=Settings(root=root), project=None), request)
    await follower._show_late(Wanted(workflow_id="Order-1"), cast("LogReader", late))  # a part of one
    return [line.partition("#1  ")[2] for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_following, "_LATE_LOOK_SECONDS", 0)


async def test_lines_that_come_late_are_shown_until_there_are_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker whose disk is slow writes on while the run is over."""
    late = Late([*NOTHING, 2, *NOTHING, 1])

    assert await shown(late, tmp_path, capsys) == ["at look 5", "at look 5", "at look 10"]
    assert late.looks == 10 + log_following._QUIET_LOOKS


async def test_a_run_that_seems_to_write_for_ever_is_left_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(await shown(Late([], for_ever=1), tmp_path, capsys)) == log_following._MOST_LATE_LOOKS
