"""What tasks print and log carries their run, task and attempt, on the worker's stdout and on disk."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

import pytest

from moose_lib.cli import worker_logs
from moose_lib.cli.worker_logs import WorkerLogs, capturing
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.logs.attribution import TaskLogger, current_run
from moose_lib.logs.capture import CaptureHandler
from moose_lib.logs.lines import Line
from moose_lib.logs.outlet import LIMIT
from moose_lib.logs.reading import LogReader, Wanted
from moose_lib.logs.store import LogStore
from moose_lib.project.settings import LoggerSettings, Settings

ONE = RunInfo(workflow="Order", workflow_id="Order-1f", run_id="r1", task="charge", attempt=2)
TWO = RunInfo(workflow="Order", workflow_id="mine", run_id="r2", task="ship", attempt=1)


@contextmanager
def within(run: RunInfo) -> Generator[None]:
    token = current_run.set(run)
    try:
        yield
    finally:
        current_run.reset(token)


@contextmanager
def working(root: Path, **logger: object) -> Generator[WorkerLogs]:
    with capturing(Settings(root=root, logger=LoggerSettings.model_validate(logger))) as logs:
        yield logs


def kept(root: Path) -> list[Line]:
    return list(LogReader(root / ".moose" / "logs", Wanted()).read())


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d", "<time>", line) for line in capsys.readouterr().out.splitlines()]


def test_prints_are_tagged_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of two tasks never mix, what is nobody's stays as it is, and a line that has begun waits for its end."""
    with working(tmp_path) as logs:
        print("worker line")
        with within(ONE):
            print("first\nsecond")
            print("begun ", end="", flush=True)
        with within(TWO):
            print("other")
        with within(ONE):
            print("ended")
            print("left", end="")
            print("warned", file=sys.stderr)
            assert not sys.stdout.isatty()
            assert sys.stdout.writable()
            assert sys.stdout.encoding.lower() == "utf-8"
            assert sys.stdout.errors is not None
        logs.attempt_ended(ONE)

    assert told(capsys) == [
        "worker line",
        "<time> INFO [Order/charge #2 1f] first",
        "<time> INFO [Order/charge #2 1f] second",
        "<time> INFO [Order/ship #1 mine] other",
        "<time> INFO [Order/charge #2 1f] begun ended",
        "<time> WARNING [Order/charge #2 1f] warned",
        "<time> INFO [Order/charge #2 1f] left",
    ]
    lines = kept(tmp_path)
    assert [line.message for line in lines] == ["first", "second", "other", "begun ended", "warned", "left"]
    assert {line.stream for line in lines if line.message != "warned"} == {"stdout"}
    assert [line.run for line in lines] == [ONE, ONE, TWO, ONE, ONE, ONE]


def test_each_thread_of_a_task_has_lines_of_its_own(tmp_path: Path) -> None:
    """Two that print at once do not cut each other's lines."""
    with working(tmp_path), within(ONE):
        print("half a ", end="")
        thread = threading.Thread(target=copy_context().run, args=(print, "of the thread"))
        thread.start()
        thread.join()
        print("line")

    assert [line.message for line in kept(tmp_path)] == ["of the thread", "half a line"]


def test_a_progress_bar_is_one_line(tmp_path: Path) -> None:
    """What it has written over is not to be seen on a terminal either."""
    with working(tmp_path) as logs, within(ONE):
        for percent in (10, 50, 100):
            print(f"\r{percent} %", end="", file=sys.stderr, flush=True)
        print("windows\r\n", end="")
        logs.attempt_ended(ONE)

    assert [line.message for line in kept(tmp_path)] == ["windows", "100 %"]


def test_logs_are_tagged_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ctx.logger` anywhere, any other logger within a task, and lines of the worker itself."""
    with working(tmp_path):
        TaskLogger(ONE).info("by the context", extra={"amount": 5, "why": "two words"})
        with within(TWO):
            logging.getLogger("httpx").warning("inside %d\nsecond", 1)
            logging.getLogger("httpx").debug("too fine")
        logging.getLogger("outside").error("outside")
        logging.getLogger("outside").debug("too fine")

    out, err = capsys.readouterr()
    assert re.sub(r"\d\d:\d\d:\d\d", "<time>", out).splitlines() == [
        "<time> INFO [Order/charge #2 1f] by the context amount=5 why='two words'",
        "<time> WARNING [Order/ship #1 mine] httpx: inside 1",
        "<time> WARNING [Order/ship #1 mine] second",
    ]
    assert re.sub(r"\d\d:\d\d:\d\d", "<time>", err) == "<time> ERROR outside outside\n"
    first, second = kept(tmp_path)
    assert (first.message, first.logger, first.fields) == (
        "by the context",
        "moose.task",
        {"amount": 5, "why": "two words"},
    )
    assert (second.message, second.logger, second.level) == ("inside 1\nsecond", "httpx", "warning")


def test_json_lines_carry_the_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For log collectors."""
    with working(tmp_path, format="Json", level="debug"):
        TaskLogger(ONE).debug("hello")
        try:
            raise ValueError("bad")
        except ValueError:
            logging.getLogger("x").exception("it broke")
        with within(TWO):
            print("printed")

    out, err = capsys.readouterr()
    hello, printed = map(json.loads, out.splitlines())
    (broke,) = map(json.loads, err.splitlines())
    assert (hello["message"], hello["level"], hello["task"], hello["attempt"]) == ("hello", "debug", "charge", 2)
    assert broke["traceback"].endswith("ValueError: bad")
    assert (printed["message"], printed["logger"], printed["run_id"]) == ("printed", "print", "r2")


def test_a_traceback_follows_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For errors of tasks every line of it is tagged; for all others it stands as Python writes it."""
    with working(tmp_path):
        for run in (None, ONE):
            token = current_run.set(run)
            try:
                raise KeyError("a")
            except KeyError:
                logging.getLogger("x").exception("it broke")
            current_run.reset(token)

    out, err = capsys.readouterr()
    assert err.endswith("\nKeyError: 'a'\n")
    assert out.splitlines()[0].endswith("ERROR [Order/charge #2 1f] x: it broke")
    assert out.splitlines()[-1].endswith("ERROR [Order/charge #2 1f] KeyError: 'a'")
    (line,) = kept(tmp_path)
    assert line.traceback is not None
    assert line.traceback.startswith("Traceback")


def test_logging_set_up_by_the_user_is_not_shown_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that writes to stderr, and a configuration that throws ours out."""
    logger = logging.getLogger("shop")
    silent = logging.getLogger("shop.silent")
    with working(tmp_path) as logs:
        before = list(logging.root.handlers)
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"x": {"class": "logging.NullHandler"}},
                "root": {"handlers": ["x"]},
            }
        )
        logging.getLogger("moose.task").disabled = True
        logs.install()
        own = logging.StreamHandler()
        logger.addHandler(own)
        silent.propagate = False
        silent.addHandler(own)
        try:
            with within(ONE):
                logger.warning("once")
                TaskLogger(ONE).info("still heard")
                silent.warning("by its own handler")
        finally:
            logger.removeHandler(own)
            silent.removeHandler(own)
            silent.propagate = True
            logging.root.handlers[:] = before

    assert [(line.message, line.stream) for line in kept(tmp_path)] == [
        ("once", "log"),
        ("still heard", "log"),
        ("by its own handler", "stderr"),
    ]
    assert len(told(capsys)) == 3


def test_what_the_engine_says_of_its_own_work_is_no_log_of_the_task(tmp_path: Path) -> None:
    """At level "debug" it would be most of it, with the values of the task; its warnings are."""
    (tmp_path / "moose.config.toml").write_text('[logger]\nlevel = "debug"\n', encoding="utf-8")
    with working(tmp_path, level="debug"), within(ONE):
        logging.getLogger("temporalio.worker._activity").debug("Completing activity with completion")
        logging.getLogger("temporalio.activity").warning("heard")
        logging.getLogger("shop").debug("mine")

    assert [line.message for line in kept(tmp_path)] == ["heard", "mine"]


def test_a_record_whose_arguments_do_not_fit_harms_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As everywhere in logging, it is complained about on stderr."""
    record = logging.makeLogRecord({"msg": "%d", "args": ("no number",)})
    with working(tmp_path), within(ONE):
        (handler,) = (it for it in logging.root.handlers if isinstance(it, CaptureHandler))
        assert handler.handle(record)

    assert "--- Logging error ---" in "".join(line.message for line in kept(tmp_path))


def test_nothing_is_created_by_tasks_that_say_nothing(tmp_path: Path) -> None:
    """No file, no folder."""
    with working(tmp_path) as logs, within(ONE):
        logs.attempt_ended(ONE)

    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_stays_out_of_git(tmp_path: Path) -> None:
    """As all that Moose writes in a project."""
    with working(tmp_path), within(ONE):
        print("x")

    assert (tmp_path / ".moose" / ".gitignore").read_text() == "*\n"


def test_nothing_is_kept_where_nobody_wants_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`max_size = 0`: for those who collect the worker's stdout."""
    with working(tmp_path, max_size=0), within(ONE):
        print("x")

    assert told(capsys) == ["<time> INFO [Order/charge #2 1f] x"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_be_written_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks go on."""
    (tmp_path / ".moose").write_text("no folder")
    with working(tmp_path) as logs, within(ONE):
        for text in ("one", "two"):
            print(text)
            logs.attempt_ended(ONE)

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err.count("logs cannot be kept on disk: ") == 1


def test_a_console_that_is_not_read_is_told_of_what_it_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks do not wait for it; on disk there is every line."""
    stdout = Stuck()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(worker_logs, "_PATIENCE_SECONDS", 60)
    with working(tmp_path, burst=2 * LIMIT) as logs:
        with within(ONE):
            print("the first")
            logs.attempt_ended(ONE)
            assert stdout.is_stuck.wait(10)
            for number in range(LIMIT + 100):
                print(number)
            logs.attempt_ended(ONE)
        stdout.may_go_on.set()

    (said,) = [line for line in stdout.getvalue().splitlines() if "not shown" in line]
    assert said == "… 101 lines not shown here: they come faster than they are read"
    assert len(kept(tmp_path)) == LIMIT + 101


def test_a_disk_that_is_too_slow_is_told_of_once_on_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not with each line that it does not take: every second line of a flood would be about the rest."""
    is_stuck, may_go_on = threading.Event(), threading.Event()
    write = LogStore.write

    def slowly(store: LogStore, lines: Sequence[Line]) -> None:
        is_stuck.set()
        assert may_go_on.wait(60)
        write(store, lines)

    monkeypatch.setattr(LogStore, "write", slowly)
    monkeypatch.setattr(worker_logs, "_PATIENCE_SECONDS", 60)
    with working(tmp_path, burst=2 * LIMIT) as logs:
        with within(ONE):
            print("the first")
            assert is_stuck.wait(10)
            for number in range(LIMIT + 100):
                print(number)
            logs.attempt_ended(ONE)
        may_go_on.set()

    assert [line for line in told(capsys) if "dropped" in line] == [
        "<time> WARNING [Order/charge #2 1f] … 101 lines dropped"
    ]
    assert [line.message for line in kept(tmp_path)][-1] == "… 101 lines dropped"


class Stuck(io.StringIO):
    """A stdout whose reader has stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stuck, self.may_go_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.is_stuck.set()
        assert self.may_go_on.wait(60)
        return super().write(text)


def test_everything_is_as_before_afterwards(tmp_path: Path) -> None:
    """The streams and the root logger belong to others."""
    before = (sys.stdout, sys.stderr, logging.getLogger().level, list(logging.getLogger().handlers))
    with working(tmp_path):
        ours = sys.stdout
    with within(ONE):
        print("by one who kept our stream", file=ours)

    assert (sys.stdout, sys.stderr, logging.getLogger().level, list(logging.getLogger().handlers)) == before
    assert kept(tmp_path) == []
