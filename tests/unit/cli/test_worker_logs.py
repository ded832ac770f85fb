"""What tasks print and log carries their run, task and attempt."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from moose_lib.cli.worker_logs import tagging
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.engine.logs import TaskLogger, current_run
from moose_lib.project.settings import LoggerSettings

ONE = RunInfo(workflow="Order", workflow_id="Order-1f", run_id="r1", task="charge", attempt=2)
TWO = RunInfo(workflow="Order", workflow_id="mine", run_id="r2", task="ship", attempt=1)
TEXT, JSON = LoggerSettings(), LoggerSettings(format="json", level="debug")


@contextmanager
def within(run: RunInfo) -> Generator[None]:
    token = current_run.set(run)
    try:
        yield
    finally:
        current_run.reset(token)


def test_prints_are_tagged_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of two tasks never mix, and what is nobody's stays as it is."""
    with tagging(TEXT):
        print("worker line")
        with within(ONE):
            print("first\nsecond")
            print("begun ", end="")
        with within(TWO):
            print("other")
        with within(ONE):
            print("ended")
            print("left", end="")
            print("warned", file=sys.stderr)
            assert not sys.stdout.isatty()
            assert sys.stdout.writable()
            assert sys.stdout.encoding.lower() == "utf-8"

    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "worker line",
        "[Order/charge #2 1f] first",
        "[Order/charge #2 1f] second",
        "[Order/ship #1 mine] other",
        "[Order/charge #2 1f] begun ended",
        "[Order/charge #2 1f] left",
    ]
    assert told.err == "[Order/charge #2 1f] warned\n"


def test_flushing_ends_a_line_that_has_begun(capsys: pytest.CaptureFixture[str]) -> None:
    """Who flushes wants it to be seen now."""
    with tagging(TEXT), within(ONE):
        print("10 %", end="", flush=True)
        print(" more")

    assert capsys.readouterr().out == "[Order/charge #2 1f] 10 %\n[Order/charge #2 1f]  more\n"


def test_logs_are_tagged_too(capsys: pytest.CaptureFixture[str]) -> None:
    """`ctx.logger` anywhere, any other logger within a task, and lines of the worker itself."""
    with tagging(TEXT):
        TaskLogger(ONE).info("by the context")
        with within(TWO):
            logging.getLogger("httpx").warning("inside %d", 1)
        logging.getLogger("outside").error("outside")
        logging.getLogger("outside").debug("too fine")

    lines = [re.sub(r"^\d\d:\d\d:\d\d", "<time>", line) for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "<time> INFO [Order/charge #2 1f] by the context",
        "<time> WARNING [Order/ship #1 mine] inside 1",
        "<time> ERROR outside outside",
    ]


def test_json_lines_carry_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """For log collectors."""
    with tagging(JSON):
        TaskLogger(ONE).info("hello")
        try:
            raise ValueError("bad")
        except ValueError:
            logging.getLogger("x").exception("it broke")
        with within(TWO):
            print("printed")

    told = capsys.readouterr()
    hello, broke = (json.loads(line) for line in told.err.splitlines())
    printed = json.loads(told.out)
    assert (hello["message"], hello["level"], hello["task"], hello["attempt"]) == ("hello", "info", "charge", 2)
    assert broke["traceback"].endswith("ValueError: bad")
    assert (printed["message"], printed["logger"], printed["run_id"]) == ("printed", "print", "r2")


def test_a_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """For all other errors."""
    with tagging(TEXT):
        try:
            raise KeyError("a")
        except KeyError:
            logging.getLogger("x").exception("it broke")

    assert capsys.readouterr().err.endswith("KeyError: 'a'\n")


def test_everything_is_as_before_afterwards() -> None:
    """The streams and the root logger belong to others."""
    before = (sys.stdout, sys.stderr, logging.getLogger().level, list(logging.getLogger().handlers))
    with tagging(JSON):
        pass

    assert (sys.stdout, sys.stderr, logging.getLogger().level, list(logging.getLogger().handlers)) == before
