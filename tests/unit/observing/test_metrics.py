"""Metrics: what is counted under which name, and that nobody can make labels without end."""

from __future__ import annotations

import logging
import math
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.unit.observing.seen import SECOND, START, attempt, run, task

from moose_lib.observing.metrics import Metrics
from moose_lib.observing.observer import (
    AttemptEnded,
    AttemptStarted,
    Event,
    LinesDropped,
    Observers,
    QueueSeen,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskStarted,
    TemporalSilent,
    WorkerIs,
)

DOCUMENT = Path(__file__).parents[3] / "docs/observability.md"


class Seen:
    """Metrics of a project with one workflow, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics({"Orders": ["charge"]}, slots=100, registry=self.registry)

    def see(self, *events: Event) -> None:
        for event in events:
            self.metrics.see(event)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_run_is_counted_when_it_starts_and_when_it_ends(seen: Seen) -> None:
    seen.see(RunStarted(run=run()), RunEnded(run=run(), state="failed", ended=START + 5 * SECOND))

    assert seen.value("moose_runs_started_total", workflow="Orders") == 1
    assert seen.value("moose_runs_ended_total", workflow="Orders", state="failed") == 1
    assert seen.value("moose_run_duration_seconds_sum", workflow="Orders") == 5


def test_the_first_rate_has_a_begin(seen: Seen) -> None:
    """A counter that appears with its first count has no increase that an alert could see."""
    assert seen.value("moose_runs_ended_total", workflow="Orders", state="failed") == 0
    assert seen.value("moose_tasks_ended_total", workflow="Orders", task="charge", state="failed") == 0
    assert seen.value("moose_task_attempts_total", workflow="Orders", task="charge", outcome="retried") == 0


@pytest.mark.parametrize("part", [{"run_id": "r2"}, {"run_id": "r2", "attempt": 2}])
def test_a_retry_or_a_continuation_is_no_new_run(seen: Seen, part: dict[str, str | int]) -> None:
    later = run(run_id=str(part["run_id"]), attempt=int(part.get("attempt", 1)))
    seen.see(RunStarted(run=run()), RunEnded(run=run(), state="retried", ended=START), RunStarted(run=later))

    assert seen.value("moose_runs_started_total", workflow="Orders") == 1
    assert seen.value("moose_run_duration_seconds_count", workflow="Orders") in {None, 0}


def test_a_scheduled_run_tells_how_late_it_was_started(seen: Seen) -> None:
    due = START - timedelta(minutes=2)
    seen.see(RunStarted(run=run(scheduled_time=due)))

    assert seen.value("moose_schedule_lag_seconds_sum", workflow="Orders") == 120
    assert seen.value("moose_schedule_lag_seconds_bucket", workflow="Orders", le="60.0") == 0


def test_a_resumed_run_is_not_late(seen: Seen) -> None:
    """Its workflow id still has the time of the run that failed, days ago perhaps."""
    seen.see(RunStarted(run=run(scheduled_time=START - timedelta(days=2), resumed_from="r0")))

    assert seen.value("moose_schedule_lag_seconds_count", workflow="Orders") is None


def test_tasks_are_counted_by_state(seen: Seen) -> None:
    seen.see(TaskStarted(task=task()), TaskEnded(task=task(), state="parked", ended=START))

    assert seen.value("moose_tasks_started_total", workflow="Orders", task="charge") == 1
    assert seen.value("moose_tasks_ended_total", workflow="Orders", task="charge", state="parked") == 1


def test_attempts_are_counted_by_outcome(seen: Seen) -> None:
    began = attempt(waited=timedelta(seconds=3))
    seen.see(AttemptStarted(attempt=began))
    running = seen.value("moose_task_attempts_running", workflow="Orders", task="charge")
    seen.see(AttemptEnded(attempt=began, outcome="retried", took=SECOND))

    assert running == 1
    assert seen.value("moose_task_attempts_running", workflow="Orders", task="charge") == 0
    assert seen.value("moose_task_attempts_total", workflow="Orders", task="charge", outcome="retried") == 1
    assert seen.value("moose_task_attempt_duration_seconds_sum", workflow="Orders", task="charge") == 1
    assert seen.value("moose_task_queue_wait_seconds_sum", workflow="Orders") == 3


def test_clocks_that_differ_make_no_negative_time(seen: Seen) -> None:
    seen.see(AttemptStarted(attempt=attempt(waited=-SECOND)))

    assert seen.value("moose_task_queue_wait_seconds_sum", workflow="Orders") == 0


def test_names_that_the_code_does_not_have_share_one_label(seen: Seen) -> None:
    """Whoever may start workflows could otherwise fill Prometheus with names."""
    for number in range(50):
        strange = run(f"Strange{number}")
        seen.see(RunStarted(run=strange), TaskStarted(task=task(of=strange)), TaskStarted(task=task(f"old{number}")))

    text = generate_latest(seen.registry).decode()
    assert seen.value("moose_runs_started_total", workflow="(other)") == 50
    assert seen.value("moose_tasks_started_total", workflow="Orders", task="(other)") == 50
    assert "Strange" not in text
    assert "old" not in text


def test_what_temporal_said_is_forgotten_when_it_says_nothing(seen: Seen) -> None:
    """A backlog of 0 that is ten minutes old is worse than none."""
    seen.see(QueueSeen(kind="task", backlog=7, backlog_age=SECOND, pollers=2))
    said = seen.value("moose_task_queue_backlog", kind="task"), seen.value("moose_temporal_up")
    seen.see(TemporalSilent())

    assert said == (7, 1)
    assert seen.value("moose_temporal_up") == 0
    assert math.isnan(seen.value("moose_task_queue_backlog", kind="task") or 0)


def test_a_worker_is_in_one_state(seen: Seen) -> None:
    states = list[tuple[float | None, ...]]()
    for event in (WorkerIs(state="working"), WorkerIs(state="draining"), WorkerIs(state="stopped")):
        seen.see(event)
        states.append(tuple(seen.value("moose_workers", state=state) for state in ("working", "draining")))

    assert states == [(1, 0), (0, 1), (0, 0)]


def test_lines_that_nobody_kept_are_counted(seen: Seen) -> None:
    seen.see(LinesDropped(workflow="Orders", task="charge", count=40))

    assert seen.value("moose_task_log_lines_dropped_total", workflow="Orders", task="charge") == 40


def test_every_metric_is_documented_with_its_labels(seen: Seen) -> None:
    """`docs/observability.md` has a row for each, and no other."""
    text = generate_latest(seen.registry).decode()
    made = set(re.findall(r"^# TYPE (moose_\w+)", text, re.MULTILINE))
    told = set(re.findall(r"^\| `(moose_\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))

    assert told == made


def test_no_label_is_an_id(seen: Seen) -> None:
    seen.see(
        RunStarted(run=run(run_id="0000-run-id", first_run_id="0000-run-id")),
        AttemptStarted(attempt=attempt()),
        AttemptEnded(attempt=attempt(), outcome="completed", took=SECOND),
    )
    labels = set(re.findall(r"[{,](\w+)=", generate_latest(seen.registry).decode()))

    assert labels == {"workflow", "task", "state", "outcome", "le"}


def test_an_observer_that_raises_harms_nobody(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """Least of all the run."""

    class Broken:
        def see(self, event: Event) -> None:
            raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        Observers([Broken(), seen.metrics]).see(RunStarted(run=run()))

    assert seen.value("moose_runs_started_total", workflow="Orders") == 1
    assert "Broken cannot note what it saw" in caplog.text
