"""`moose-cli logs`: what tasks wrote, as a user sees it, with real workers that are killed, flooded, and many."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.cli.conftest import Cli, start_worker
from tests.cli.logged import TALKING, project, worker_of
from tests.cli.polling import line_with, wait_for

SOON = """\
error: 'soon' is not a duration: it does not begin with a number
hint: write "30s", "5m", "1h30m" or "1d"
"""
#: Coverage takes a lock of its own at each new line, and the exception that stops a thread may arrive in there.
UNTRACED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")


@pytest.fixture(scope="module")
def talk(server: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A project in which Talk and Silent have run."""
    cli = project(tmp_path_factory.mktemp("talk"), server)
    with worker_of(cli):
        for name in ("Talk", "Silent"):
            assert cli("workflow", "run", name, "--wait", "--id", f"{name}-1").code == 0
        yield cli


def records(cli: Cli, *arguments: str) -> list[dict[str, Any]]:  # Any: JSON
    done = cli("logs", "--json", *arguments)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def logs_size(cli: Cli) -> int:
    return sum(path.stat().st_size for path in (cli.folder / ".moose" / "logs").iterdir())


def test_all_that_a_run_wrote_is_shown(talk: Cli) -> None:
    """Prints, loggers and threads, each line with its task and attempt, a failed attempt with the user's traceback."""
    done = talk("logs", "Talk")
    spoken = [
        "INFO     speak #{}  printed",
        "INFO     speak #{}  twice",
        "INFO     speak #{}  in parts",
        "INFO     speak #{}  by the context amount=5",
        "WARNING  speak #{}  library: by a library",
        "INFO     speak #{}  in a thread",
        "INFO     speak #{}  in an asyncio task",
    ]
    file = talk.folder / "app" / "main.py"
    number = TALKING.read_text(encoding="utf-8").splitlines().index('        raise ValueError("not yet")') + 1

    assert done.code == 0
    lines = done.out.splitlines()
    assert all(_TIME.match(line) for line in lines if not line.startswith("    "))
    assert [_TIME.sub("", line).lstrip() if _TIME.match(line) else line for line in lines] == [
        *(line.format(1) for line in spoken),
        "WARNING  speak #1  attempt failed",
        "    Traceback (most recent call last):",
        f'      File "{file}", line {number}, in speak',
        '        raise ValueError("not yet")',
        "    ValueError: not yet",
        *(line.format(2) for line in spoken),
        "INFO     close #1  in a thread with its context",
        "INFO     close #1  no end of line",
    ]


def test_lines_are_chosen_by_task_attempt_level_and_number(talk: Cli) -> None:
    """The options work together, on a workflow id as on a run id."""
    run_id = records(talk, "Talk-1")[0]["run_id"]

    assert [it["message"] for it in records(talk, "Talk", "--task", "close")] == [
        "in a thread with its context",
        "no end of line",
    ]
    assert {it["attempt"] for it in records(talk, run_id, "--attempt", "2")} == {2}
    assert [it["message"] for it in records(talk, "--level", "warning", "--task", "speak", "--attempt", "1")] == [
        "by a library",
        "attempt failed",
    ]
    assert [it["message"] for it in records(talk, "Talk", "--tail", "1", "--since", "1h")] == ["no end of line"]
    assert records(talk, "--task", "quiet") == []


def test_a_line_as_json_says_whose_it_is(talk: Cli) -> None:
    """One document a line, for programs."""
    found = records(talk, "Talk", "--attempt", "1")
    first, failed = found[0], found[7]
    fields = next(it for it in found if "fields" in it)

    assert {key: first[key] for key in ("level", "logger", "stream", "message", "workflow", "workflow_id")} == {
        "level": "info",
        "logger": "print",
        "stream": "stdout",
        "message": "printed",
        "workflow": "Talk",
        "workflow_id": "Talk-1",
    }
    assert (first["task"], first["attempt"]) == ("speak", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["time"])
    assert failed["traceback"].endswith("ValueError: not yet")
    assert fields["fields"] == {"amount": 5}


def test_without_a_run_each_line_says_which_it_is_of(talk: Cli) -> None:
    """With the id that can be pasted."""
    done = talk("logs", "--task", "close", "--tail", "1")

    assert _TIME.sub("<time>", done.out) == "<time> INFO     Talk-1 close #1  no end of line\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["Tolk"], 4, "error: no run or workflow named 'Tolk'\nhint: did you mean: moose-cli logs Talk\n"),
        (["5b0c"], 4, "error: no run or workflow named '5b0c'\nhint: moose-cli workflow history\n"),
        (
            ["Talk", "--task", "speek"],
            4,
            "error: no task of workflow 'Talk' named 'speek'\nhint: did you mean: --task speak\n",
        ),
        (["Talk", "--task", "x"], 4, "error: no task of workflow 'Talk' named 'x'\nhint: there are: close, speak\n"),
        (
            ["Talk", "-f", "--task", "speek"],
            4,
            "error: no task of workflow 'Talk' named 'speek'\nhint: did you mean: --task speak\n",
        ),
        (["-f", "Tolk"], 4, "error: no run or workflow named 'Tolk'\nhint: did you mean: moose-cli logs Talk\n"),
        (["Silent"], 0, "Silent has logged nothing\n"),
        (["Silent-1"], 0, "Silent-1 has logged nothing\n"),
        (["Never"], 0, "Never has logged nothing yet\n"),
        (["Talk", "--attempt", "9"], 0, "no such lines\n"),
        (
            ["--since", "soon"],
            2,
            SOON,
        ),
    ],
)
def test_what_is_not_there_is_told(talk: Cli, arguments: list[str], code: int, told: str) -> None:
    """A name nobody knows is a mistake; a run that wrote nothing is none."""
    done = talk("logs", *arguments)

    assert (done.code, done.out, done.err) == (code, "", told)


def test_an_error_is_one_line_of_json_too(talk: Cli) -> None:
    """A reader of JSON Lines reads line by line."""
    done = talk("logs", "Tolk", "--json")

    assert json.loads(done.out.removesuffix("\n"))["error"]["code"] == "run_not_found"
    assert done.out.count("\n") == 1


def test_logs_are_read_without_temporal(talk: Cli) -> None:
    """They are on disk; unknown names are still told from known ones by the code that is there."""
    alone = replace(talk, environment={**talk.environment, "MOOSE_TEMPORAL_CONFIG__ADDRESS": "127.0.0.1:1"})

    assert alone("logs", "Talk").out == talk("logs", "Talk").out
    assert alone("logs", "Silent").err == "Silent has logged nothing yet\n"
    assert alone("logs", "Silent-1").code == 4
    (talk.folder / "empty").mkdir()
    empty = alone("logs", "--file", str(talk.folder / "empty" / "none.py"))
    assert empty.code == 2


def test_a_project_without_logs_says_so(server: int, tmp_path: Path) -> None:
    """With the place where they would be."""
    cli = project(tmp_path, server)

    assert cli("logs").err == f"no logs yet in {tmp_path}/.moose/logs\n"
    assert cli("logs", "--task", "spek").err == "error: no task named 'spek'\nhint: did you mean: --task speak\n"


def test_following_ends_with_the_run(talk: Cli, tmp_path: Path) -> None:
    """From before its first line to its last."""
    flag = tmp_path / "flag"
    run = talk("workflow", "run", "Wait", "--id", "followed", "--input", json.dumps({"until": str(flag)}))
    assert run.code == 0, run.err
    following = talk.start("logs", "followed", "--follow")
    assert following.stdout is not None
    first = following.stdout.readline()
    flag.touch()
    out, err = following.communicate(timeout=30)

    assert _TIME.sub("<time>", first + out) == "<time> INFO     wait #1  waiting\n<time> INFO     wait #1  waited\n"
    assert (following.returncode, err) == (0, "note: followed completed\n")


def test_ctrl_c_ends_following(talk: Cli, tmp_path: Path) -> None:
    """With the code of an interruption and not another word; also of all the project, beginning with its last lines."""
    assert talk("workflow", "run", "Wait", "--id", "left", "--input", '{"until": "/nowhere"}').code == 0
    for arguments in (["left"], []):
        following = talk.start("logs", "-f", *arguments)
        line_with("waiting", following.stdout)
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=30)
        assert (following.returncode, err) == (130, "\n")
    assert talk("workflow", "terminate", "left").code == 0


def test_following_without_temporal_reads_on(talk: Cli) -> None:
    """It says why it will not end by itself."""
    alone = replace(talk, environment={**talk.environment, "MOOSE_TEMPORAL_CONFIG__ADDRESS": "127.0.0.1:1"})
    following = alone.start("logs", "-f", "Talk-1", "--tail", "1")
    assert following.stdout is not None
    assert following.stderr is not None
    assert following.stdout.readline().endswith("close #1  no end of line\n")
    told = following.stderr.readline()
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=30)

    assert told == (
        "note: no Temporal server at 127.0.0.1:1: connection refused; "
        "following until Ctrl-C, as nobody can tell when the run ends\n"
    )
    assert following.returncode == 130


def test_what_on_cancel_writes_belongs_to_the_attempt(talk: Cli) -> None:
    """It is the same attempt that cleans up."""
    assert talk("workflow", "run", "Wait", "--id", "canceled", "--input", '{"until": "/nowhere"}').code == 0
    wait_for(lambda: bool(talk("logs", "canceled").out))
    assert talk("workflow", "cancel", "canceled").code == 0
    talk("workflow", "result", "canceled", "--wait")

    assert [(it["task"], it["attempt"], it["message"]) for it in records(talk, "canceled")] == [
        ("wait", 1, "waiting"),
        ("wait", 1, "cleaning up"),
    ]


@contextmanager
def reading(worker: subprocess.Popen[str]) -> Generator[list[str]]:
    """The lines of its stdout so far, all of them when the block has ended."""
    lines = list[str]()

    def read() -> None:
        assert worker.stdout is not None
        for line in worker.stdout:
            lines.append(line)  # seen by others at once

    reader = Thread(target=read)
    reader.start()
    try:
        yield lines
    finally:
        worker.send_signal(signal.SIGTERM)
        reader.join(60)
        worker.communicate(timeout=60)


def is_all_written(cli: Cli, lines: Sequence[str]) -> bool:
    """The tasks of Flood have had their last word, on disk and on stdout."""
    newest = max((cli.folder / ".moose" / "logs").iterdir())
    beside = sum("[Flood/beside #1 " in line for line in lines)
    return beside == 20 and any(" line 99999 " in line for line in lines) and b"line 99999 " in newest.read_bytes()


def test_a_hundred_thousand_lines_slow_nobody_and_fill_no_disk(server: int, tmp_path: Path) -> None:
    """What runs beside goes on, the folder stays within its limit, and what was dropped is told."""
    cli = project(tmp_path, server, MOOSE_LOGGER__MAX_SIZE="1MB")
    with worker_of(cli) as worker, reading(worker) as lines:
        run = cli("workflow", "run", "Flood", "--wait", "--input", '{"lines": 100000}', timeout=120)
        wait_for(lambda: is_all_written(cli, lines), 120)
    out = "".join(lines)
    flooded = records(cli, "Flood", "--task", "flood")

    assert run.code == 0, run.err
    assert logs_size(cli) <= 1_000_000
    assert [it for it in flooded if it["logger"] == "moose.logs"]
    dropped = sum(
        int(it.replace(",", "")) for it in re.findall(r"… ([\d,]+) lines? dropped \(an attempt may write", out)
    )
    assert 80_000 < dropped < 90_000
    assert len(re.findall(r"\[Flood/flood #1 \w+\] line \d+ ", out)) == 100_000 - dropped
    assert flooded[-1]["message"].startswith("line 99999 ")
    assert out.count("[Flood/beside #1 ") == 20


def test_two_workers_write_at_once(server: int, tmp_path: Path) -> None:
    """Each to a file of its own; no line is lost, doubled or mixed with another."""
    cli = project(tmp_path, server)
    queue = "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE"  # of one queue, the first worker might take everything
    other = replace(cli, environment={**cli.environment, queue: f"{cli.environment[queue]}-other"})
    with worker_of(cli), worker_of(other):
        for number in range(8):
            shop = (cli, other)[number % 2]
            started = shop("workflow", "run", "Count", "--id", f"c{number}", "--input", '{"lines": 500}')
            assert started.code == 0
        for number in range(8):
            assert cli("workflow", "result", f"c{number}", "--wait").code == 0
    found = records(cli)

    for number in range(8):
        lines = [it["message"] for it in found if it["workflow_id"] == f"c{number}"]
        assert lines == [f"number {it}" for it in range(500)]
    assert [it["time"] for it in found] == sorted(it["time"] for it in found)
    assert len(list((tmp_path / ".moose" / "logs").iterdir())) == 2


def test_a_killed_worker_leaves_what_was_written(server: int, tmp_path: Path) -> None:
    """Its lines are there, and the next worker goes on in the same file."""
    cli = project(tmp_path, server)
    flag = tmp_path / "flag"
    first = start_worker(cli)
    assert cli("workflow", "run", "Wait", "--id", "k", "--input", json.dumps({"until": str(flag)})).code == 0
    wait_for(lambda: bool(cli("logs", "k").out))
    first.kill()
    first.communicate()
    (file,) = (tmp_path / ".moose" / "logs").iterdir()
    with file.open("ab") as handle:
        handle.write(b'{"time": "2026-03-01T12:00:00.000')
    flag.touch()
    with worker_of(cli):
        done = cli("workflow", "result", "k", "--wait", timeout=90)

    assert done.code == 0, done.err
    assert [it["message"] for it in records(cli, "k")] == ["waiting", "waiting", "waited"]
    assert len(list((tmp_path / ".moose" / "logs").iterdir())) == 1


def test_a_worker_writes_json_for_collectors(server: int, tmp_path: Path) -> None:
    """The same documents as `logs --json`, on stdout, with the existing Moose's spelling of the setting."""
    cli = project(tmp_path, server, MOOSE_LOGGER__FORMAT="Json", MOOSE_LOGGER__LEVEL="warn")
    with worker_of(cli) as worker:
        assert cli("workflow", "run", "Talk", "--wait").code == 0
        worker.send_signal(signal.SIGTERM)
        out, _ = worker.communicate(timeout=30)

    shown = [json.loads(line) for line in out.splitlines()]
    assert shown == records(cli)
    assert "by the context" not in [it["message"] for it in shown]
    assert [it["logger"] for it in shown].count("library") == 2


def test_tasks_stopped_while_they_write_leave_no_lock_behind(server: int, tmp_path: Path) -> None:
    """The exception that stops a `def` handler may arrive anywhere; who writes next is not held up."""
    cli = project(tmp_path, server, **UNTRACED)
    with worker_of(cli):
        spun = cli("workflow", "run", "Spin", "--wait")
        talked = cli("workflow", "run", "Talk", "--wait")

    assert (spun.code, talked.code) == (1, 0)
    assert records(cli, "Talk")[-1]["message"] == "no end of line"
    assert {it["task"] for it in records(cli, "Spin")} == {f"spin{number}" for number in range(5)}


def test_what_a_child_process_writes_is_nobodys(server: int, tmp_path: Path) -> None:
    """It goes to the worker's output as it is: the threads that keep lines are not in the child."""
    cli = project(tmp_path, server)
    with worker_of(cli) as worker:
        assert cli("workflow", "run", "Bear", "--wait").code == 0
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=30)

    assert [it["message"] for it in records(cli)] == ["by the parent"]
    assert out.startswith("by a child\n")
    assert "WARNING library logged by a child\n" in err
