"""A run as lines while it goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import pytest

from moose_lib.cli import views
from moose_lib.cli.output import Output
from moose_lib.cli.texts import clock_text
from moose_lib.cli.views import view_for
from moose_lib.operations.records import (
    RunError,
    RunRetry,
    RunState,
    RunStatus,
    TaskError,
    TaskPhase,
    TaskRetry,
    TaskStatus,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIME = clock_text(NOW)
LOST = TaskError(class_name="WorkerLost", message="its worker went away", kind="lost")
BOOM = TaskError(class_name="ValueError", message="boom", attempt=1)
DONE = TaskStatus(name="check", state=TaskPhase.COMPLETED, attempts=1, max_attempts=4, closed=NOW)
FAILED = TaskStatus(name="charge", state=TaskPhase.FAILED, attempts=1, max_attempts=1, closed=NOW, error=BOOM)


class Noon(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 11, 22, 12, tzinfo=tz)


def run(*tasks: TaskStatus) -> RunStatus:
    return RunStatus(
        name="Order",
        workflow_id="Order-1",
        run_id="r1",
        first_run_id="r1",
        state=RunState.RUNNING,
        started=NOW,
        duration=timedelta(seconds=1),
        tasks=tasks,
    )


def lines_of(capsys: pytest.CaptureFixture[str], *statuses: RunStatus) -> list[str]:
    with view_for(Output()) as view:
        for status in statuses:
            view.show(status)
    return capsys.readouterr().out.splitlines()


def test_a_lost_worker_is_no_failed_attempt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the task runs again, once for each worker that went away."""
    monkeypatch.setattr(views, "datetime", Noon)
    lost = TaskStatus(name="check", state=TaskPhase.RETRYING, attempts=1, max_attempts=4, error=LOST)
    soon = replace(lost, next_attempt=NOW + timedelta(minutes=1))
    running = replace(lost, state=TaskPhase.RUNNING)

    lines = lines_of(capsys, run(soon), run(lost), run(running), run(lost), run(replace(lost, error=BOOM)), run(DONE))

    assert [line.partition("  ")[2] for line in lines] == [
        "check  lost       its worker went away, runs again in 1m 0s",
        "check  lost       its worker went away",
        "check  retrying   attempt 1 of 4: ValueError: boom",
        "check  completed",
    ]


def test_what_uses_up_no_attempt_is_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The store of values did not answer before the handler could start."""
    waiting = TaskStatus(name="check", state=TaskPhase.RETRYING, attempts=0, max_attempts=4, error=BOOM)

    assert lines_of(capsys, run(waiting))[0].endswith("  check  retrying   ValueError: boom")


def test_a_failed_attempt_is_told_once_whether_it_was_seen_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    """The next one may come and go before the server is asked what is going on."""
    retry = TaskRetry(time=NOW - timedelta(seconds=1), error=BOOM)
    done = replace(DONE, attempts=2, retried=retry)
    soon = datetime.now(UTC) + timedelta(seconds=60, milliseconds=500)
    between = TaskStatus(
        name="check", state=TaskPhase.RETRYING, attempts=1, max_attempts=4, error=BOOM, next_attempt=soon
    )
    third = replace(done, attempts=3, retried=replace(retry, error=replace(BOOM, attempt=2)))

    unseen = lines_of(capsys, run(done), run(done))
    seen = lines_of(capsys, run(between), run(done))
    partly = lines_of(capsys, run(between), run(third))

    assert unseen == [
        f"{clock_text(retry.time)}  check  retrying   attempt 1 of 4: ValueError: boom",
        f"{TIME}  check  completed",
    ]
    assert [line.partition("  ")[2] for line in seen] == [
        "check  retrying   attempt 1 of 4: ValueError: boom, next attempt in 1m 0s",
        "check  completed",
    ]
    assert [line.partition("  ")[2] for line in partly][1:] == [
        "check  retrying   attempt 2 of 4: ValueError: boom",
        "check  completed",
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LOST, "lost       its worker went away"),
        (replace(BOOM, kind="value"), "retrying   ValueError: boom"),
        (replace(BOOM, kind="later", message="in 5s"), "postponed  in 5s"),
    ],
)
def test_what_used_up_no_attempt_is_not_counted_afterwards_either(
    capsys: pytest.CaptureFixture[str], error: TaskError, told: str
) -> None:
    first, _ = lines_of(capsys, run(replace(DONE, retried=TaskRetry(time=NOW, error=error))))

    assert first == f"{TIME}  check  {told}"


def test_a_task_that_is_retried_by_hand_tells_of_its_attempts_anew(capsys: pytest.CaptureFixture[str]) -> None:
    """They fail as those before did."""
    parked = replace(FAILED, state=TaskPhase.PARKED, attempts=2, retried=TaskRetry(time=NOW, error=BOOM))

    lines = lines_of(capsys, run(parked), run(replace(parked, closed=NOW + timedelta(seconds=1))))

    assert [line.split()[2] for line in lines] == ["retrying", "parked", "retrying", "parked"]


def test_a_retry_of_the_run_explains_why_tasks_come_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the history is read a second time, after a lost connection."""
    error = RunError(error=BOOM, task="charge", tasks=("charge",))
    first, again = run(DONE, FAILED), run(DONE, replace(FAILED, state=TaskPhase.WAITING))
    again = replace(again, attempt=2, max_attempts=2, retried=RunRetry(time=NOW, error=error))

    assert lines_of(capsys, first, again, first, again) == [
        f"{TIME}  check   completed",
        f"{TIME}  charge  failed     ValueError: boom",
        (
            f"{TIME}  run failed: task 'charge' failed on attempt 1: ValueError: boom; "
            "retry 1 of 1 starts from the beginning"
        ),
        f"{TIME}  check   completed",
    ]


def test_a_retry_of_which_little_is_known_is_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The server has forgotten the first life, or somebody else's client set no limit."""
    (line,) = lines_of(capsys, replace(run(), attempt=3, max_attempts=None))

    assert line.endswith("  run failed; retry 2 starts from the beginning")
