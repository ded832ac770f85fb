"""What people read about runs that wait for them, and about those that were resumed."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.unit.cli.test_status_text import ERROR, NOW, run

from moose_lib.cli.output import Output
from moose_lib.cli.status_text import guidance_lines, headline, status_lines
from moose_lib.cli.task_table import task_lines, task_remark
from moose_lib.cli.texts import json_time, local_text
from moose_lib.operations.documents import run_document
from moose_lib.operations.records import Decision, RunPause, RunState, RunStatus, TaskPhase, TaskStatus

PARKED = TaskStatus(name="charge", state=TaskPhase.PARKED, attempts=2, max_attempts=2, error=ERROR)
WAITING = TaskStatus(name="ship", state=TaskPhase.WAITING, waiting_for=("charge",))


def test_a_parked_run_shows_the_commands_that_decide() -> None:
    """As they can be pasted."""
    assert guidance_lines(run(tasks=(PARKED, WAITING))) == [
        "",
        "charge is parked. Decide how it goes on:",
        "  moose-cli workflow retry Order-1 charge",
        "  moose-cli workflow skip Order-1 charge --output JSON",
        "  moose-cli workflow fail Order-1",
    ]


def test_a_parked_task_stands_out_in_the_table() -> None:
    """With why it failed; what comes after it says for what it waits."""
    assert task_lines(run(tasks=(PARKED, WAITING)), Output(), NOW) == [
        "  TASK    STATE    ATTEMPTS  STARTED  DURATION",
        "! charge  parked   2 of 2    -        -         CardDeclined: no funds",
        "○ ship    waiting  -         -        -         for charge",
    ]


def test_a_paused_run_says_what_would_start() -> None:
    """And how to let it."""
    free = TaskStatus(name="check", state=TaskPhase.WAITING)
    status = run(tasks=(free, WAITING), is_paused=True)

    assert task_lines(status, Output(), NOW)[1:] == [
        "○ check  waiting  -         -        -         until the run is unpaused",
        "○ ship   waiting  -         -        -         for charge",
    ]
    assert guidance_lines(status) == [
        "",
        "Paused: no further task starts until: moose-cli workflow unpause Order-1",
    ]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (run(tasks=(PARKED,)), "parked"),
        (run(is_paused=True), "paused"),
        (run(tasks=(PARKED,), is_paused=True), "parked"),
        (run(tasks=(PARKED,), is_cancel_requested=True), "canceling"),
    ],
)
def test_the_headline_says_what_the_run_waits_for(status: RunStatus, state: str) -> None:
    assert headline(status, Output()) == f"Order  {state} ⏳  for 1m 4s"


@pytest.mark.parametrize(
    ("status", "is_hinted"),
    [
        (run(RunState.FAILED), True),
        (run(RunState.CANCELED), True),
        (run(RunState.TERMINATED), True),
        (run(RunState.TIMED_OUT), True),
        (run(RunState.COMPLETED), False),
        (run(RunState.FAILED, resumed_as="r2"), False),
        (run(), False),
    ],
)
def test_a_run_that_can_be_resumed_says_how(status: RunStatus, *, is_hinted: bool) -> None:
    """Unless it was already."""
    hint = "To keep what is finished and run the rest: moose-cli workflow resume r1"
    assert (hint in guidance_lines(status)) == is_hinted


def test_the_runs_before_and_after_are_named() -> None:
    """In the text and in JSON."""
    status = run(RunState.FAILED, resumed_from="r0", resumed_as="r2", tasks=(PARKED,))
    lines = status_lines(status, Output(), None)
    document = json.loads(json.dumps(run_document(status, None)))

    assert lines[lines.index("  resumed      from r0") + 1] == "  resumed as   r2"
    assert (document["resumed_from"], document["resumed_as"]) == ("r0", "r2")


@pytest.mark.parametrize(
    ("task", "remark"),
    [
        (TaskStatus(name="t", state=TaskPhase.COMPLETED, is_kept=True), "kept from the run before"),
        (
            TaskStatus(name="t", state=TaskPhase.COMPLETED, decision=Decision.SKIP),
            "skipped by hand, with a given output",
        ),
        (TaskStatus(name="t", state=TaskPhase.COMPLETED, decision=Decision.RETRY), ""),
        (
            TaskStatus(name="t", state=TaskPhase.FAILED, error=ERROR, decision=Decision.FAIL),
            "CardDeclined: no funds; given up",
        ),
        (
            TaskStatus(name="t", state=TaskPhase.FAILED, error=ERROR, decision=Decision.FAIL, reason="he is gone"),
            "CardDeclined: no funds; given up: he is gone",
        ),
        (TaskStatus(name="t", state=TaskPhase.COMPLETED, decision=Decision.FAIL), ""),
        (
            TaskStatus(name="t", state=TaskPhase.CANCELED),
            "while it waited for an attempt; of earlier ones, if any, Temporal keeps no record",
        ),
        (TaskStatus(name="t", state=TaskPhase.CANCELED, started=NOW), ""),
        (TaskStatus(name="t", state=TaskPhase.CANCELED, is_interrupted=True), ""),
    ],
)
def test_what_people_did_is_remarked(task: TaskStatus, remark: str) -> None:
    assert task_remark(task, NOW + timedelta(seconds=1)) == remark


def test_an_interrupted_task_is_not_called_canceled() -> None:
    """Nobody asked it to stop; scripts still read the state that they know."""
    task = TaskStatus(name="t", state=TaskPhase.CANCELED, started=NOW, attempts=1, is_interrupted=True)
    status = run(RunState.TERMINATED, tasks=(task,))
    document = run_document(status, None)["tasks"][0]

    assert task_lines(status, Output(), NOW)[1].startswith("⊘ t     interrupted  1  ")
    assert (document["state"], document["is_interrupted"]) == ("canceled", True)


def test_a_paused_run_tells_who_paused_it_and_why() -> None:
    """As far as it is known."""
    pause = RunPause(time=NOW, by="7@desk", note="the bank is closed")
    status = run(is_paused=True, pause=pause)

    assert guidance_lines(status)[1] == (
        f"Paused since {local_text(NOW)} by 7@desk (the bank is closed): "
        "no further task starts until: moose-cli workflow unpause Order-1"
    )
    assert run_document(status, None)["pause"] == {
        "time": json_time(NOW),
        "by": "7@desk",
        "note": "the bank is closed",
    }


def test_json_tells_what_is_parked_and_what_was_decided() -> None:
    """For scripts that retry at night."""
    skipped = TaskStatus(name="check", state=TaskPhase.COMPLETED, decision=Decision.SKIP)
    kept = TaskStatus(name="validate", state=TaskPhase.COMPLETED, is_kept=True)
    document = json.loads(json.dumps(run_document(run(tasks=(kept, skipped, PARKED), is_paused=True), None)))

    assert (document["state"], document["is_paused"], document["parked"]) == ("running", True, ["charge"])
    assert [(task["state"], task["is_kept"], task["decision"]) for task in document["tasks"]] == [
        ("completed", True, None),
        ("completed", False, "skip"),
        ("parked", False, None),
    ]
