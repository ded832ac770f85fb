"""The lines of a local run: as on a worker, and nothing that was there before is lost."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading

import pytest
from pydantic import BaseModel

from moose_lib.dmv2.workflow import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.testing import run_local, run_local_async
from moose_lib.testing.records import LocalRun


class Number(BaseModel):
    value: int = 1


def speaking(name: str) -> Workflow:
    def speak(number: Number) -> Number:
        print("printed by", number.value)
        print("warned by", number.value, file=sys.stderr)
        logging.getLogger("any").info("logged by %d", number.value)
        return number

    async def wait(number: Number) -> None:
        print("waiting", end="")
        await asyncio.sleep(3600)

    async def clean(ctx: TaskContext[Number]) -> None:
        print(", cleaned")

    last = Task[Number, None](name="wait", config=TaskConfig(run=wait, on_cancel=clean))
    task = Task[Number, Number](name="speak", config=TaskConfig(run=speak, on_complete=[last]))
    return Workflow(name=name, config=WorkflowConfig(starting_task=task))


def said(run: LocalRun, task: str = "speak") -> list[str]:
    return [line.message for attempt in run.task(task).attempts for line in attempt.logs]


def test_what_a_task_writes_is_seen_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints still reach the terminal, or pytest's capture."""
    before = (sys.stdout, sys.stderr, logging.root.level, list(logging.root.handlers))
    run = run_local(speaking("Speaking"), cancel_at="1m")

    assert said(run) == ["printed by 1", "warned by 1", "logged by 1"]
    assert said(run, "wait") == ["waiting, cleaned"]  # by the handler and by its on_cancel
    assert capsys.readouterr().out == "printed by 1\nwaiting, cleaned\n"
    assert (sys.stdout, sys.stderr, logging.root.level, list(logging.root.handlers)) == before


async def test_runs_at_the_same_time_keep_their_lines_apart() -> None:
    """Each in a thread of its own, with one stdout for all."""
    workflow = speaking("Several")
    runs = await asyncio.gather(
        *(run_local_async(workflow, Number(value=number), cancel_at="1m") for number in range(5))
    )

    for number, run in enumerate(runs):
        assert said(run) == [f"printed by {number}", f"warned by {number}", f"logged by {number}"]


def test_what_a_task_leaves_behind_writes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A thread that goes on after the run finds the stream it has always written to."""
    go, gone = threading.Event(), threading.Event()

    def late(stream: object) -> None:
        go.wait(10)
        print("late", file=stream)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # a stream
        gone.set()

    def leave(number: Number) -> None:
        threading.Thread(target=late, args=(sys.stdout,)).start()

    task = Task[Number, None](name="leave", config=TaskConfig(run=leave))
    run_local(Workflow(name="Leaving", config=WorkflowConfig(starting_task=task)))
    go.set()
    gone.wait(10)

    assert capsys.readouterr().out == "late\n"


def test_without_logging_set_up_warnings_are_still_seen() -> None:
    """Python's last resort, which any handler of ours would silence."""
    script = """
import logging
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import run_local
def warn() -> None:
    logging.getLogger("x").warning("mind the gap")
    logging.getLogger("x").info("too fine")
task = Task[None, None](name="warn", config=TaskConfig(run=warn))
run = run_local(Workflow(name="Warn", config=WorkflowConfig(starting_task=task)))
print([line.message for line in run.task("warn").attempts[0].logs])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("['mind the gap', 'too fine']\n", "mind the gap\n")
