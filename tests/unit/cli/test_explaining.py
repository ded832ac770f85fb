"""An explanation as people and programs read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest

from moose_lib.cli import explaining
from moose_lib.cli.explaining import explanation_document, explanation_lines
from moose_lib.cli.output import Output
from moose_lib.cli.texts import clock_text, local_text
from moose_lib.cli.worker_commands import WorkerCommands
from moose_lib.operations.explaining import Cause, Explanation, TaskInput
from moose_lib.operations.records import (
    Decision,
    RunError,
    RunPause,
    RunState,
    RunStatus,
    TaskError,
    TaskPhase,
    TaskStatus,
)
from moose_lib.plan.model import PlannedTask, Source

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOOM = TaskError(class_name="shop.Declined", message="no funds\nat all", traceback="Traceback: no\n", attempt=2)
FINAL = replace(BOOM, is_retryable=False, traceback=None)
RUN = RunStatus(
    name="Order",
    workflow_id="Order 1",
    run_id="r1",
    first_run_id="r1",
    state=RunState.RUNNING,
    started=NOW,
    duration=timedelta(seconds=64),
)
CHARGE = TaskStatus(name="charge", state=TaskPhase.PARKED, attempts=2, max_attempts=2, error=BOOM)
PLANNED = PlannedTask(
    name="charge", source=Source(kind="nothing"), timeout=timedelta(hours=1), retries=1, output_type="Receipt"
)


def explained(cause: Cause, task: TaskStatus | None = None, **changes: Any) -> Explanation:  # Any: fields of it
    status = changes.pop("status", RUN)
    status = replace(status, tasks=() if task is None else (task, *changes.pop("beside", ())))
    facts: dict[str, Any] = {"cause": cause, "task": task, "status": status, "task_queue": "moose", "workers": 1}
    return Explanation(**{**facts, **changes})


def text(explanation: Explanation, *, is_full: bool = False) -> list[str]:
    return explanation_lines(explanation, Output(), WorkerCommands(), is_full=is_full)


def document(explanation: Explanation) -> Any:  # Any: JSON
    return json.loads(json.dumps(explanation_document(explanation, Output(), WorkerCommands())))


def sentence(explanation: Explanation) -> str:
    return text(explanation)[4]


def test_a_parked_task_is_told_with_everything_to_decide_by() -> None:
    """The whole text."""
    given = TaskInput(source="output of validate", data=b'{"order_id":"7","note":"\xc3\xbc"}')
    explanation = explained(Cause.PARKED, CHARGE, planned=PLANNED, input=given, blocked=("ship", "bill"))

    assert text(explanation) == [
        "Order  parked ⏳  for 1m 4s",
        "  workflow id  Order 1",
        "  run id       r1",
        "",
        "charge failed on attempt 2 of 2 and is parked: Declined: no funds",
        "  attempts      2 used, none left",
        "  wait for it   ship, bill",
        "",
        "Input (output of validate):",
        "  {",
        '    "order_id": "7",',
        '    "note": "ü"',
        "  }",
        "",
        "Traceback of attempt 2:",
        "  Traceback: no",
        "",
        "# try it here, with this input and the code of now",
        "moose-cli workflow run-task Order charge --from-run r1",
        "# run it again, with all its attempts",
        "moose-cli workflow retry 'Order 1' charge",
        "# go on as if it had completed",
        "moose-cli workflow skip 'Order 1' charge --output JSON",
        "# give it up, and so the run",
        "moose-cli workflow fail 'Order 1'",
    ]


RETRYING = replace(CHARGE, state=TaskPhase.RETRYING, attempts=1, max_attempts=4)
LOST = replace(RETRYING, error=TaskError(class_name="WorkerLost", message="its worker went away", kind="lost"))
LATER = replace(
    RETRYING, error=TaskError(class_name="RetryLater", message="asked to be run again in 10m", kind="later")
)
RUNNING = TaskStatus(name="charge", state=TaskPhase.RUNNING, attempts=1, duration=timedelta(seconds=9))
LEFT = replace(
    RUNNING,
    state=TaskPhase.CANCELED,
    error=replace(LOST.error or BOOM, message="its worker went away while it was being canceled"),
)
FAILED = replace(CHARGE, state=TaskPhase.FAILED)
STOPPED = replace(RUNNING, state=TaskPhase.CANCELED, is_interrupted=True, started=NOW, max_attempts=3)
CANCELED = replace(RUN, state=RunState.CANCELED)
DUE = TaskStatus(name="charge", state=TaskPhase.WAITING)
NOTED = RunPause(time=NOW, by="7@desk", note="the bank is closed")
UNTAKEN = TaskError(
    class_name="QueueTimedOut", message="no worker took the task within 5m (queue_timeout)", kind="queue"
)
ENDED = replace(RUN, state=RunState.FAILED)
TERMINATED = replace(
    RUN, state=RunState.TERMINATED, error=RunError(error=TaskError(class_name="Terminated", message="wrong prices"))
)


@pytest.mark.parametrize(
    ("explanation", "said"),
    [
        (
            explained(Cause.COMPLETED, status=replace(RUN, state=RunState.COMPLETED)),
            "Nothing to explain: the run completed.",
        ),
        (
            explained(Cause.RUNNING, RUNNING),
            "Nothing blocks the run: charge has been running for 9s; 0 of 1 tasks completed.",
        ),
        (explained(Cause.RUNNING), "Nothing blocks the run: 0 of 0 tasks completed."),
        (
            explained(
                Cause.BLOCKED, replace(RUNNING, held_up_by="task 'a' of run 'r-1' blocks its event loop, at a.py:3")
            ),
            "charge has been running for 9s; task 'a' of run 'r-1' blocks its event loop, at a.py:3.",
        ),
        (
            explained(Cause.CANCELING, replace(RUNNING, held_up_by="it blocks the event loop")),
            "The run is being canceled: charge has not stopped yet (it blocks the event loop).",
        ),
        (
            explained(Cause.RUNNING, RUNNING, beside=(replace(RUNNING, name="ship"), replace(FAILED, name="bill"))),
            "Nothing blocks the run: charge has been running for 9s; 0 of 3 tasks completed; running too: ship.",
        ),
        (explained(Cause.PAUSED, DUE), "The run is paused: charge starts when it is unpaused."),
        (
            explained(Cause.PAUSED, DUE, beside=(replace(DUE, name="bill"),), status=replace(RUN, pause=NOTED)),
            (
                f"The run is paused since {local_text(NOW)} by 7@desk (the bank is closed): "
                "charge, bill start when it is unpaused."
            ),
        ),
        (explained(Cause.PAUSED), "The run is paused: nothing could start before its running tasks have ended."),
        (explained(Cause.CANCELING, RUNNING), "The run is being canceled: charge has not stopped yet."),
        (explained(Cause.CANCELING), "The run is being canceled."),
        (
            explained(Cause.CANCELING, RUNNING, workers=0),
            "The run is being canceled: charge has not stopped yet; nobody works for task queue 'moose'.",
        ),
        (explained(Cause.CANCELING, workers=0), "The run is being canceled; nobody works for task queue 'moose'."),
        (
            explained(Cause.CANCELED, LEFT, status=replace(RUN, state=RunState.CANCELED)),
            "The run ended: canceled; charge: its worker went away while it was being canceled.",
        ),
        (
            explained(Cause.TERMINATED, replace(STOPPED, error=LOST.error), status=TERMINATED),
            "The run ended: terminated: wrong prices; charge was interrupted by the termination.",
        ),
        (
            explained(Cause.FAILED, replace(FAILED, attempts=0), status=ENDED),
            "charge failed before its first attempt: Declined: no funds",
        ),
        (
            explained(Cause.UNKNOWN, CHARGE),
            "No worker that was asked so far knows task 'charge': one with the code of now has to work.",
        ),
        (
            explained(Cause.UNKNOWN),
            "No worker that was asked so far knows a workflow named 'Order': one with the code of now has to work.",
        ),
        (
            explained(Cause.NO_WORKER, CHARGE, workers=0),
            "charge waits for a worker: nobody works for task queue 'moose'.",
        ),
        (
            explained(Cause.NO_WORKER),
            "The run waits for a worker: 1 worked for task queue 'moose' lately, and may be busy, or gone since.",
        ),
        (explained(Cause.RETRYING, RETRYING), "charge failed on attempt 1 of 4 and is tried again: Declined: no funds"),
        (explained(Cause.RETRYING, LATER), "charge asked to be run again in 10m"),
        (
            explained(Cause.LOST, LOST),
            "The worker of charge went away; it runs again, if there is a worker, with no attempt used up.",
        ),
        (explained(Cause.FAILED, FAILED, status=ENDED), "charge failed on attempt 2 of 2: Declined: no funds"),
        (
            explained(Cause.FAILED, FAILED, workers=0),
            (
                "charge failed on attempt 2 of 2: Declined: no funds; "
                "the run fails when a worker takes it up: nobody works for task queue 'moose'"
            ),
        ),
        (
            explained(Cause.FAILED, FAILED, beside=(RUNNING,)),
            "charge failed on attempt 2 of 2: Declined: no funds; the run fails when its other tasks have ended",
        ),
        (
            explained(Cause.FAILED, replace(FAILED, decision=Decision.FAIL, reason="he is gone"), status=ENDED),
            "charge failed on attempt 2 of 2: Declined: no funds; given up: he is gone",
        ),
        (
            explained(Cause.FAILED, replace(FAILED, attempts=0, error=UNTAKEN), status=ENDED),
            "charge failed: QueueTimedOut: no worker took the task within 5m (queue_timeout)",
        ),
        (
            explained(Cause.FAILED, replace(FAILED, error=UNTAKEN), status=ENDED),
            "charge failed after attempt 2 of 2: QueueTimedOut: no worker took the task within 5m (queue_timeout)",
        ),
        (
            explained(Cause.FAILED, status=replace(ENDED, error=RunError(error=BOOM))),
            "The run ended: Declined: no funds\nat all".splitlines()[0],
        ),
        (explained(Cause.CANCELED, status=replace(RUN, state=RunState.CANCELED)), "The run ended: canceled"),
        (
            explained(Cause.TERMINATED, STOPPED, status=TERMINATED),
            "The run ended: terminated: wrong prices; charge was interrupted by the termination.",
        ),
        (
            explained(Cause.TIMED_OUT, STOPPED, status=replace(RUN, state=RunState.TIMED_OUT)),
            "The run ended: timed out; charge was interrupted by the timeout.",
        ),
        (
            explained(Cause.TERMINATED, replace(STOPPED, started=None), status=TERMINATED),
            "The run ended: terminated: wrong prices; charge waited for its next attempt.",
        ),
        (
            explained(Cause.TERMINATED, replace(STOPPED, started=None, attempts=0), status=TERMINATED),
            "The run ended: terminated: wrong prices; charge waited for a worker.",
        ),
        (
            explained(Cause.CANCELED, replace(STOPPED, is_interrupted=False), status=CANCELED),
            "The run ended: canceled; charge was running.",
        ),
        (
            explained(Cause.CANCELED, TaskStatus(name="charge", state=TaskPhase.CANCELED), status=CANCELED),
            "The run ended: canceled; charge waited for an attempt; of earlier ones, if any, Temporal keeps no record.",
        ),
        (
            explained(Cause.TERMINATED, FAILED, status=TERMINATED),
            "The run ended: terminated: wrong prices; charge had failed.",
        ),
        (
            explained(Cause.TERMINATED, replace(STOPPED, state=TaskPhase.SKIPPED), status=TERMINATED),
            "The run ended: terminated: wrong prices; charge had not started.",
        ),
    ],
)
def test_one_sentence_says_what_holds_the_run_up(explanation: Explanation, said: str) -> None:
    """Each cause has its own."""
    assert sentence(explanation) == said


def test_a_run_that_is_also_paused_says_so() -> None:
    """Whatever else holds it up."""
    lines = text(explained(Cause.PARKED, CHARGE, status=replace(RUN, is_paused=True, pause=NOTED)))

    assert lines[5] == (
        f"The run is also paused since {local_text(NOW)} by 7@desk (the bank is closed): no further task starts."
    )


@pytest.mark.parametrize(("is_interrupted", "how"), [(True, "interrupted"), (False, "canceled")])
def test_a_task_that_was_stopped_has_not_used_up_its_attempts(is_interrupted: bool, how: str) -> None:
    """It was not its last one that failed."""
    stopped = replace(STOPPED, is_interrupted=is_interrupted)

    assert f"  attempts      1 of 3 used when it was {how}" in text(explained(Cause.CANCELED, stopped, status=CANCELED))


def test_a_long_input_is_cut_unless_all_of_it_is_asked_for() -> None:
    """Lines that are many, and lines that are long."""
    many = explained(Cause.RUNNING, RUNNING, input=TaskInput(source="x", data=json.dumps([*range(50)]).encode()))
    wide = explained(Cause.RUNNING, RUNNING, input=TaskInput(source="x", data=json.dumps("y" * 500).encode()))

    assert "  … 22 more lines: --full" in text(many)
    assert "  49" not in [line.strip(",") for line in text(many)]
    assert "    49" in text(many, is_full=True)
    assert f'  "{"y" * 158}…' in text(wide)
    assert "  … long lines were cut: --full" in text(wide)
    assert f'  "{"y" * 500}"' in text(wide, is_full=True)


def test_an_input_that_is_not_there_is_told() -> None:
    """A task that takes none, and one whose values are missing."""
    none = explained(Cause.RUNNING, RUNNING, input=TaskInput(source="nothing"))
    gone = explained(Cause.RUNNING, RUNNING, input=TaskInput(source="x", missing=("output of a",)))

    assert "Input: none" in text(none)
    assert "Input: not known, as there is no output of a yet, or not on this machine" in text(gone)


def test_limits_and_the_next_attempt_are_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why there is none left is one too; an error without a traceback shows all its lines."""

    def now(_zone: tzinfo) -> datetime:
        return NOW

    monkeypatch.setattr(explaining, "datetime", SimpleNamespace(now=now))
    soon = replace(RETRYING, next_attempt=NOW + timedelta(minutes=1))
    waiting = text(explained(Cause.RETRYING, soon))
    limits = text(explained(Cause.RUNNING, RUNNING, planned=PLANNED))
    refused = text(explained(Cause.PARKED, replace(CHARGE, attempts=1, error=FINAL), blocked=tuple("abcdefghijklmn")))

    assert any(line.startswith("  next attempt  at ") and line.endswith(", in 1m 0s") for line in waiting)
    assert "  limits        1h for an attempt" in limits
    assert "  wait for it   no other task" in limits
    assert "  attempts      1 used, none left: Declined is not tried again" in refused
    assert "  wait for it   a, b, c, d, e, f, g, h, i, j, k, l and 2 more" in refused
    assert "  at all" in refused


def test_when_a_task_fails_that_no_worker_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a task that has such a limit, and waits for the first time; of a later wait nobody knows when it began."""

    def now(_zone: tzinfo) -> datetime:
        return NOW

    monkeypatch.setattr(explaining, "datetime", SimpleNamespace(now=now))
    planned = PLANNED.model_copy(update={"queue_timeout": timedelta(minutes=5), "total_timeout": timedelta(hours=1)})
    unknown = TaskStatus(name="charge", state=TaskPhase.UNKNOWN, queued=NOW - timedelta(minutes=4))
    waiting = explained(Cause.UNKNOWN, unknown, planned=planned)
    late = explained(Cause.NO_WORKER, replace(unknown, queued=NOW - timedelta(minutes=6)), planned=planned)

    end = clock_text(NOW + timedelta(minutes=1))
    assert f"  fails         at {end}, in 1m 0s, if no worker takes it (queue_timeout of 5m)" in text(waiting)
    assert document(waiting)["fails_at"] == "2026-11-22T12:01:00Z"
    assert "  fails         any moment, if no worker takes it (queue_timeout of 5m)" in text(late)
    for other in (replace(unknown, attempts=1), replace(unknown, queued=None)):
        assert document(explained(Cause.UNKNOWN, other, planned=planned))["fails_at"] is None
    assert document(explained(Cause.UNKNOWN, unknown, planned=PLANNED))["fails_at"] is None


@pytest.mark.parametrize(("task", "cause"), [(LATER, Cause.RETRYING), (LOST, Cause.LOST)])
def test_what_is_no_failure_uses_up_no_attempt(task: TaskStatus, cause: Cause) -> None:
    """It begins again under its number."""
    only = replace(task, max_attempts=1)

    assert "  attempts      none used, 4 left" in text(explained(cause, task))
    assert "  attempts      none used, 1 left" in text(explained(cause, only))
    assert document(explained(cause, only))["attempts_left"] == 1


def test_a_task_that_never_began_has_no_attempts_to_tell_of() -> None:
    """One that waited too long for a worker, for example."""
    assert not [it for it in text(explained(Cause.PARKED, replace(CHARGE, attempts=0))) if "used" in it]


def test_workers_that_nobody_asked_for_are_not_none() -> None:
    """A run that has ended waits for nobody."""
    assert document(explained(Cause.FAILED, FAILED, status=ENDED, workers=None))["workers"] is None


def test_the_same_as_json() -> None:
    """With the whole input as a value."""
    given = TaskInput(source="output of validate", data=b'{"order_id":"7"}')
    told = document(explained(Cause.PARKED, CHARGE, input=given))

    assert told["task"]["error"]["type"] == "Declined"
    told["task"] = told["task"]["name"]
    told["commands"] = [step["command"] for step in told["commands"]][:1]
    assert told == {
        "workflow_name": "Order",
        "workflow_id": "Order 1",
        "run_id": "r1",
        "state": "running",
        "is_healthy": False,
        "cause": "parked",
        "summary": "charge failed on attempt 2 of 2 and is parked: Declined: no funds",
        "task": "charge",
        "attempts_left": 0,
        "fails_at": None,
        "input": {"source": "output of validate", "value": {"order_id": "7"}, "missing": []},
        "blocked": [],
        "task_queue": "moose",
        "workers": 1,
        "commands": ["moose-cli workflow run-task Order charge --from-run r1"],
    }
