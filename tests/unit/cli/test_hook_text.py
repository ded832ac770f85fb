"""What people read about hooks, and about tasks that asked for more time or ran out of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moose_lib.cli.main import main
from moose_lib.cli.output import Output
from moose_lib.cli.status_text import failure_text, hook_notes, traceback_lines
from moose_lib.cli.task_table import state_text, task_lines, task_remark
from moose_lib.cli.texts import clock_text
from moose_lib.cli.waiting import told_end
from moose_lib.operations.documents import run_document
from moose_lib.operations.records import RunError, RunState, RunStatus, TaskError, TaskPhase, TaskStatus

HOOKED = """\
from moose_lib import RunOutcome, Task, TaskConfig, Workflow, WorkflowConfig

def tidy() -> None:
    pass

def tell(outcome: RunOutcome) -> None:
    pass

task = Task[None, None](name="tidy", config=TaskConfig(run=tidy))
hook = Task[RunOutcome, None](name="tell", config=TaskConfig(run=tell))
Workflow(name="Hooked", config=WorkflowConfig(starting_task=task, on_success=hook, on_failure=hook))
"""
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ASKED = TaskError(
    class_name="moose_lib.dmv2.retry_later.RetryLater",
    message="asked to be run again in 10m: the bank is closed",
    traceback="Traceback: raise RetryLater\n",
    kind="later",
)
NO_MAIL = TaskError(class_name="mail.Refused", message="no mail\nat all", traceback="Traceback: mail\n", attempt=4)
CHARGE = TaskStatus(name="charge", state=TaskPhase.COMPLETED, attempts=1, started=NOW, duration=timedelta(seconds=1))


def hook(state: TaskPhase, **facts: object) -> TaskStatus:
    given: dict[str, object] = {"name": "tell", "attempts": 1, "started": NOW, "duration": timedelta(seconds=2)}
    return TaskStatus(state=state, **{**given, **facts})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def run(state: RunState, *hooks: TaskStatus, error: RunError | None = None) -> RunStatus:
    return RunStatus(
        name="Orders",
        workflow_id="Orders-1",
        run_id="r1",
        first_run_id="r1",
        state=state,
        started=NOW,
        duration=timedelta(seconds=3),
        error=error,
        tasks=(CHARGE,),
        hooks=hooks,
    )


def test_a_hook_has_a_table_of_its_own() -> None:
    failed = hook(TaskPhase.FAILED, attempts=4, max_attempts=4, error=NO_MAIL)
    assert task_lines(run(RunState.COMPLETED, failed), Output(), NOW) == [
        "  TASK    STATE      ATTEMPTS  STARTED   DURATION",
        f"✓ charge  completed  1         {clock_text(NOW)}  1s",
        "",
        "  HOOK  STATE   ATTEMPTS  STARTED   DURATION",
        f"✗ tell  failed  4 of 4    {clock_text(NOW)}  2s        Refused: no mail",
    ]


def test_a_run_without_hooks_shows_none() -> None:
    status = run(RunState.COMPLETED)
    assert len(task_lines(status, Output(), NOW)) == 2
    assert run_document(status, None)["hooks"] == []


def test_a_hook_in_json_is_as_a_task() -> None:
    [document] = run_document(run(RunState.COMPLETED, hook(TaskPhase.FAILED, error=NO_MAIL)), None)["hooks"]
    assert (document["name"], document["state"], document["error"]["message"]) == ("tell", "failed", "no mail\nat all")


def test_a_hook_that_failed_is_told_at_the_end_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The run itself ended as it did, and so does the command."""
    status = run(RunState.COMPLETED, hook(TaskPhase.FAILED, error=NO_MAIL))

    assert told_end(Output(), status, None) == 0
    told = capsys.readouterr()
    assert "'Orders' completed in 3s." in told.out
    assert told.err == "note: hook 'tell' failed: Refused: no mail; the run completed all the same\n"


@pytest.mark.parametrize(
    ("state", "shown", "note"),
    [
        (
            RunState.FAILED,
            hook(TaskPhase.FAILED, error=NO_MAIL),
            ["hook 'tell' failed: Refused: no mail; the run failed all the same"],
        ),
        (
            RunState.COMPLETED,
            hook(TaskPhase.CANCELED),
            ["hook 'tell' canceled: it did not end; the run completed all the same"],
        ),
        (RunState.COMPLETED, hook(TaskPhase.COMPLETED), []),
    ],
)
def test_what_is_said_about_a_hook(state: RunState, shown: TaskStatus, note: list[str]) -> None:
    assert hook_notes(run(state, shown)) == note


def test_the_traceback_of_a_hook_is_shown_with_the_others() -> None:
    status = run(RunState.COMPLETED, hook(TaskPhase.FAILED, error=NO_MAIL))
    assert traceback_lines(status) == ["", "tell, attempt 4:", "Traceback: mail"]


def test_a_task_that_asked_to_be_run_again_says_so() -> None:
    """It has not failed, so neither its class nor a traceback is shown."""
    task = hook(TaskPhase.RETRYING, error=ASKED, next_attempt=NOW + timedelta(minutes=9))
    assert state_text(task) == "postponed"
    assert task_remark(task, NOW) == "asked to be run again in 10m: the bank is closed, runs again in 9m 0s"
    assert traceback_lines(run(RunState.RUNNING, task)) == []


def test_a_task_that_no_worker_took_had_no_attempt() -> None:
    error = TaskError(
        class_name="moose_lib.errors.QueueTimedOut",
        message="no worker took the task within 5s (queue_timeout)",
        kind="queue",
        attempt=0,
    )
    status = run(RunState.FAILED, error=RunError(error=error, task="pack", tasks=("pack",)))
    assert failure_text(status) == (
        "task 'pack' failed: QueueTimedOut: no worker took the task within 5s (queue_timeout)"
    )


def test_the_traceback_of_a_hook_is_not_taken_for_that_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A task that ran out of time has none of its own."""
    over = TaskError(class_name="TotalTimedOut", message="total_timeout of 8s is over after 1 attempt", attempt=1)
    failed = RunError(error=over, task="charge", tasks=("charge",))
    status = run(RunState.FAILED, hook(TaskPhase.FAILED, error=NO_MAIL), error=failed)

    assert told_end(Output(), status, None) == 1
    assert capsys.readouterr().err.splitlines() == [
        (
            "error: run 'Orders-1' failed: task 'charge' failed on attempt 1: "
            "TotalTimedOut: total_timeout of 8s is over after 1 attempt"
        ),
        "hint: moose-cli workflow status Orders-1 --verbose",
        "note: hook 'tell' failed: Refused: no mail; the run failed all the same",
    ]


def test_check_names_the_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hooked.py").write_text(HOOKED, encoding="utf-8")

    assert main(["check", "hooked.py"]) == 0
    assert "Hooked  1 task, on_success tell, on_failure tell\n" in capsys.readouterr().out
