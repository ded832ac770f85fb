"""A run as text and as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from moose_lib.cli.output import Output
from moose_lib.cli.status_text import failure_text, guidance_lines, headline, status_lines, traceback_lines
from moose_lib.cli.task_table import task_remark
from moose_lib.cli.texts import clock_text, local_text
from moose_lib.dmv2.deliveries import Tally
from moose_lib.operations.documents import event_document, run_document, started_document, summary_document
from moose_lib.operations.records import (
    ParentRun,
    RecordedEvent,
    RunError,
    RunRetry,
    RunState,
    RunStatus,
    RunSummary,
    StartedRun,
    TaskError,
    TaskPhase,
    TaskStatus,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ERROR = TaskError(class_name="shop.CardDeclined", message="no funds\nat all", traceback="Traceback: no\n", attempt=2)
LOST = TaskError(class_name="WorkerLost", message="its worker went away", kind="lost")
TASKS = (
    TaskStatus(
        name="validate", state=TaskPhase.COMPLETED, attempts=1, started=NOW, duration=timedelta(milliseconds=30)
    ),
    TaskStatus(name="charge", state=TaskPhase.FAILED, attempts=2, max_attempts=2, started=NOW, error=ERROR),
    TaskStatus(name="ship", state=TaskPhase.SKIPPED),
)


def run(state: RunState = RunState.RUNNING, **changes: object) -> RunStatus:
    facts: dict[str, object] = {
        "name": "Order",
        "workflow_id": "Order-1",
        "run_id": "r1",
        "first_run_id": "r1",
        "state": state,
        "started": NOW,
        "duration": timedelta(seconds=64),
    }
    return RunStatus(**{**facts, **changes})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_failed_run_shows_each_task_and_why_it_failed() -> None:
    """The whole text, as `workflow status` prints it."""
    error = RunError(error=ERROR, task="charge", tasks=("charge",))
    retried = RunRetry(time=NOW, error=error)
    parent = ParentRun(workflow_id="p", run_id="q")
    status = run(RunState.FAILED, tasks=TASKS, error=error, attempt=2, max_attempts=2, retried=retried, parent=parent)

    assert status_lines(status, Output(), "http://ui/r1", is_verbose=True) == [
        "Order  failed ❌  in 1m 4s",
        "  workflow id  Order-1",
        "  run id       r1",
        f"  started      {local_text(NOW)}",
        "  attempt      2 of 2, after task 'charge' failed on attempt 2: CardDeclined: no funds",
        "  parent       p q",
        "  dashboard    http://ui/r1",
        "",
        "  TASK      STATE      ATTEMPTS  STARTED   DURATION",
        f"✓ validate  completed  1         {clock_text(NOW)}  30ms",
        f"✗ charge    failed     2 of 2    {clock_text(NOW)}  -         CardDeclined: no funds",
        "- ship      skipped    -         -         -",
        "",
        "task 'charge' failed on attempt 2: CardDeclined: no funds",
        "",
        "To keep what is finished and run the rest: moose-cli workflow resume r1",
        "",
        "charge, attempt 2:",
        "Traceback: no",
    ]


@pytest.mark.parametrize(
    ("task", "remark"),
    [
        (TaskStatus(name="t", state=TaskPhase.WAITING, waiting_for=("a", "b")), "for a, b"),
        (TaskStatus(name="t", state=TaskPhase.WAITING), ""),
        (TaskStatus(name="t", state=TaskPhase.QUEUED), "for a worker"),
        (TaskStatus(name="t", state=TaskPhase.UNKNOWN), "the workers asked so far do not know this task"),
        (TaskStatus(name="t", state=TaskPhase.RETRYING, error=ERROR), "CardDeclined: no funds"),
        (
            TaskStatus(name="t", state=TaskPhase.RETRYING, error=ERROR, next_attempt=NOW + timedelta(seconds=7)),
            "CardDeclined: no funds, next attempt in 7s",
        ),
        (
            TaskStatus(name="t", state=TaskPhase.RETRYING, error=LOST, next_attempt=NOW + timedelta(milliseconds=917)),
            "its worker went away, runs again in 917ms",
        ),
        (TaskStatus(name="t", state=TaskPhase.RUNNING, error=LOST), "before: its worker went away"),
        (TaskStatus(name="t", state=TaskPhase.RUNNING, error=ERROR), "before: CardDeclined: no funds"),
        (
            TaskStatus(name="t", state=TaskPhase.RUNNING, held_up_by="task 'a' of run 'r' blocks …"),
            "task 'a' of run 'r' blocks …",
        ),
        (TaskStatus(name="t", state=TaskPhase.COMPLETED), ""),
        (TaskStatus(name="t", state=TaskPhase.COMPLETED, sent=Tally(stored={"A": 1200})), "ingested 1,200 into A"),
        (
            TaskStatus(name="t", state=TaskPhase.COMPLETED, sent=Tally(stored={"A": 5, "B": 0}, set_aside={"A": 8})),
            "ingested 5 into A, 0 into B, set aside 8 of A",
        ),
        (
            TaskStatus(name="t", state=TaskPhase.COMPLETED, sent=Tally(stored={"A": 0}, set_aside={"A": 8})),
            "set aside 8 of A",
        ),
        (
            TaskStatus(name="t", state=TaskPhase.FAILED, error=ERROR, sent=Tally(set_aside={"A": 8})),
            "CardDeclined: no funds; set aside 8 of A all the same",
        ),
        (
            TaskStatus(
                name="t",
                state=TaskPhase.CANCELED,
                started=NOW,
                sent=Tally(stored={"A": 5}, rejected={"A": 1, "B": 2}, set_aside={"C": 3}),
            ),
            "ingested 5 into A, rejected 1 of A, 2 of B, set aside 3 of C all the same",
        ),
    ],
)
def test_a_task_says_what_it_waits_for_or_suffers_from(task: TaskStatus, remark: str) -> None:
    """One remark beside the columns."""
    assert task_remark(task, NOW) == remark


def test_a_task_whose_worker_went_away_is_lost_for_people_and_retrying_for_programs() -> None:
    """The attempt that comes is the one that was lost."""
    task = TaskStatus(name="ship", state=TaskPhase.RETRYING, attempts=1, max_attempts=4, error=LOST)

    assert status_lines(run(tasks=(task,)), Output(), None)[-1] == (
        "↻ ship  lost   1 of 4    -        -         its worker went away"
    )
    (row,) = run_document(run(tasks=(task,)), None)["tasks"]
    assert (row["state"], row["attempts"], row["error"]["kind"]) == ("retrying", 1, "lost")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Order  running ⏳  for 1m 4s"),
        ({"is_cancel_requested": True}, "Order  canceling ⏳  for 1m 4s"),
        ({"state": RunState.TIMED_OUT}, "Order  timed out ⏰  in 1m 4s"),
    ],
)
def test_the_headline_says_how_the_run_stands(changes: dict[str, object], text: str) -> None:
    """An open run lasts for a time, a closed one took it."""
    assert headline(run(**changes), Output()) == text  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (run(), "  no plan yet: a worker brings it"),
        (run(is_workflow_unknown=True), "  no worker so far knows a workflow named 'Order'"),
        (run(RunState.FAILED), "  the run ended before it had a plan"),
    ],
)
def test_a_run_without_a_plan_says_so(status: RunStatus, line: str) -> None:
    """A run that somebody's own client started has none at first."""
    assert line in status_lines(status, Output(), None)


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (RunError(error=TaskError(class_name="T", message="by hand")), RunState.TERMINATED, "terminated: by hand"),
        (RunError(error=TaskError(class_name="T", message="")), RunState.TERMINATED, "terminated"),
        (
            RunError(error=TaskError(class_name="x.RunTimedOut", message="late")),
            RunState.TIMED_OUT,
            "RunTimedOut: late",
        ),
        (
            RunError(error=TaskError(class_name="ValueError", message=""), task="charge"),
            RunState.FAILED,
            "task 'charge' failed on attempt 2: ValueError",
        ),
        (
            RunError(error=TaskError(class_name="QueueTimedOut", message="", kind="queue"), task="charge"),
            RunState.FAILED,
            "task 'charge' failed after attempt 2: QueueTimedOut",
        ),
    ],
)
def test_why_a_run_ended_is_one_line(error: RunError, state: RunState, text: str) -> None:
    """The attempt is the error's own, or else the task's last one."""
    assert failure_text(run(state, error=error, tasks=TASKS)) == text


def test_tracebacks_are_those_of_tasks_that_have_one() -> None:
    """A timeout has none."""
    late = TaskStatus(name="t", state=TaskPhase.FAILED, error=TaskError(class_name="TaskTimedOut", message="late"))

    assert traceback_lines(run(tasks=(late,))) == []


def test_a_run_as_json_has_the_known_keys_and_real_values() -> None:
    """Keys of the existing Moose beside ours; one document for `run --wait`, `status` and `result`."""
    status = run(
        RunState.FAILED,
        tasks=TASKS,
        error=RunError(error=ERROR, task="charge", tasks=("charge",)),
        closed=NOW,
        result=None,
    )
    event = RecordedEvent(time=NOW, type="EVENT_TYPE_X", task="charge", result=b'{"a": 1}', error=ERROR)

    document = json.loads(json.dumps(run_document(status, "http://ui/r1", [event])))

    told_error = {
        "class": "shop.CardDeclined",
        "type": "CardDeclined",
        "message": "no funds\nat all",
        "traceback": "Traceback: no\n",
        "kind": "task",
        "attempt": 2,
        "is_retryable": True,
    }
    tasks = document.pop("tasks")
    assert document == {
        "name": "Order",
        "workflow_name": "Order",
        "workflow_id": "Order-1",
        "run_id": "r1",
        "first_run_id": "r1",
        "status": "WORKFLOW_EXECUTION_STATUS_FAILED",
        "state": "failed",
        "status_emoji": "❌",
        "start_time": "2026-11-22T12:00:00Z",
        "close_time": "2026-11-22T12:00:00Z",
        "execution_time_seconds": 64.0,
        "attempt": 1,
        "max_attempts": 1,
        "is_cancel_requested": False,
        "is_paused": False,
        "pause": None,
        "parked": [],
        "resumed_from": None,
        "resumed_as": None,
        "result": None,
        "error": {"task": "charge", "tasks": ["charge"], "reason": None, **told_error},
        "hooks": [],
        "url": "http://ui/r1",
        "failure_summary": {
            "error": "CardDeclined: no funds\nat all",
            "details": "no funds\nat all",
            "stack": "Traceback: no\n",
            "error_type": "CardDeclined",
        },
        "events": [
            {
                "timestamp": "2026-11-22T12:00:00Z",
                "type": "EVENT_TYPE_X",
                "activity": "charge",
                "result": {"a": 1},
                "error": "CardDeclined: no funds\nat all",
                "details": "no funds\nat all",
                "stack": "Traceback: no\n",
                "error_type": "CardDeclined",
            }
        ],
    }
    assert [task["name"] for task in tasks] == ["validate", "charge", "ship"]
    assert tasks[1] == {
        "name": "charge",
        "state": "failed",
        "attempts": 2,
        "max_attempts": 2,
        "started": "2026-11-22T12:00:00Z",
        "closed": None,
        "duration": None,
        "error": told_error,
        "waiting_for": [],
        "next_attempt": None,
        "is_kept": False,
        "decision": None,
        "reason": None,
        "is_interrupted": False,
        "ingested": {},
        "rejected": {},
        "set_aside": {},
        "held_up_by": None,
    }


def test_smaller_documents_have_the_known_keys_too() -> None:
    """What `history` and `run` print with `--json`."""
    row = RunSummary(
        name="Order",
        workflow_id="Order-1",
        run_id="r1",
        state=RunState.CANCELED,
        started=NOW,
        closed=None,
        task_queue="q",
    )
    started = StartedRun(workflow="Order", workflow_id="Order-1", run_id="r1", ui_url=None)

    assert summary_document(row, NOW + timedelta(seconds=2)) == {
        "name": "Order-1",
        "workflow_name": "Order",
        "workflow_id": "Order-1",
        "run_id": "r1",
        "status": "WORKFLOW_EXECUTION_STATUS_CANCELED",
        "state": "canceled",
        "started_at": "2026-11-22T12:00:00Z",
        "closed_at": None,
        "duration": 2.0,
    }
    assert started_document(started, has_worker=True) == {
        "name": "Order",
        "workflow_id": "Order-1",
        "run_id": "r1",
        "status": "WORKFLOW_EXECUTION_STATUS_RUNNING",
        "state": "running",
        "has_worker": True,
        "url": None,
    }
    assert event_document(RecordedEvent(time=NOW, type="X")) == {"timestamp": "2026-11-22T12:00:00Z", "type": "X"}


def test_of_many_parked_tasks_a_few_are_told_with_their_commands() -> None:
    """The others go by the same ones, or all at once."""
    parked = tuple(TaskStatus(name=f"t{n}", state=TaskPhase.PARKED, error=ERROR) for n in range(100))

    lines = guidance_lines(run(tasks=parked))

    assert [line for line in lines if line.endswith("is parked. Decide how it goes on:")] == [
        f"t{n} is parked. Decide how it goes on:" for n in range(3)
    ]
    assert lines[-1] == "97 more tasks are parked. To retry all of them: moose-cli workflow retry Order-1"
