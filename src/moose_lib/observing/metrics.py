"""The metrics of a worker: what this process has seen, and what Temporal says about its task queue.

Every label has few values: the project's workflows and tasks, and fixed words. Never the id of a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from moose_lib.observing.observer import (
    AttemptEnded,
    AttemptStarted,
    Event,
    LinesDropped,
    QueueSeen,
    RunEnded,
    RunSeen,
    RunStarted,
    TaskEnded,
    TaskStarted,
    TemporalSilent,
    WorkerIs,
)

__all__ = ["OTHER", "Metrics"]

#: Stands for workflows and tasks that the worker's code does not declare: it works on runs of older code too.
OTHER: Final = "(other)"

_SHORT: Final = (0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)
_LONG: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 21600, 86400)
_LAG: Final = (0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """Counts for a project with these workflows and their tasks.

    Where several processes leave their numbers for one endpoint, gauges are the sum or the newest of those that live.
    """

    def __init__(
        self, tasks: Mapping[str, Iterable[str]], *, slots: int, registry: CollectorRegistry = REGISTRY
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no types
        self._tasks = {workflow: frozenset(names) for workflow, names in tasks.items()}
        self._runs = _RunMetrics(registry)
        self._attempts = _AttemptMetrics(registry)
        self._server = _ServerMetrics(registry)
        self._slots = Gauge(
            "moose_worker_slots", "Attempts that can run at a time.", multiprocess_mode="livesum", registry=registry
        )
        self._slots.set(slots)
        self._workers = Gauge(
            "moose_workers",
            "Workers behind this endpoint by state: working or draining.",
            ["state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        for workflow, names in self._tasks.items():  # so that a rate has a begin
            self._runs.prepare(workflow)
            for name in names:
                self._runs.prepare_task(workflow, name)
                self._attempts.prepare(workflow, name)

    def see(self, event: Event) -> None:
        """Count it."""
        match event:
            case RunStarted(run=run):
                self._run_started(run)
            case RunEnded():
                self._run_ended(event)
            case TaskStarted() | TaskEnded():
                self._task_seen(event)
            case AttemptStarted() | AttemptEnded():
                self._attempt_seen(event)
            case LinesDropped():
                self._attempts.dropped.labels(*self._task(event.workflow, event.task)).inc(event.count)
            case QueueSeen() | TemporalSilent():
                self._server.see(event)
            case WorkerIs():
                for state in ("working", "draining"):
                    self._workers.labels(state).set(event.state == state)

    def _task_seen(self, event: TaskStarted | TaskEnded) -> None:
        labels = self._task(event.task.run.workflow, event.task.name)
        if isinstance(event, TaskStarted):
            self._runs.tasks_started.labels(*labels).inc()
        else:
            self._runs.tasks_ended.labels(*labels, event.state).inc()

    def _attempt_seen(self, event: AttemptStarted | AttemptEnded) -> None:
        attempt = event.attempt
        labels = self._task(attempt.workflow, attempt.task)
        if isinstance(event, AttemptStarted):
            self._attempts.wait.labels(labels[0]).observe(_seconds(attempt.waited))
            self._attempts.running.labels(*labels).inc()
            return
        self._attempts.running.labels(*labels).dec()
        self._attempts.ended.labels(*labels, event.outcome).inc()
        self._attempts.duration.labels(*labels).observe(event.took.total_seconds())

    def _run_started(self, run: RunSeen) -> None:
        if run.run_id != run.first_run_id:  # it is a part of a run that was counted
            return
        workflow = self._workflow(run.workflow)
        self._runs.started.labels(workflow).inc()
        if run.scheduled_time is not None and run.resumed_from is None:
            self._runs.lag.labels(workflow).observe(_seconds(run.started - run.scheduled_time))

    def _run_ended(self, event: RunEnded) -> None:
        workflow = self._workflow(event.run.workflow)
        self._runs.ended.labels(workflow, event.state).inc()
        if event.state != "retried":
            self._runs.duration.labels(workflow).observe(_seconds(event.ended - event.run.started))

    def _workflow(self, name: str) -> str:
        return name if name in self._tasks else OTHER

    def _task(self, workflow: str, name: str) -> tuple[str, str]:
        known = self._tasks.get(workflow)
        if known is None:
            return OTHER, OTHER
        return workflow, name if name in known else OTHER


class _RunMetrics:
    """What the steps of runs show."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.started = Counter(
            "moose_runs_started", "Runs whose first step this worker made.", ["workflow"], registry=registry
        )
        self.ended = Counter(
            "moose_runs_ended",
            "Runs whose last step this worker made: completed, failed, canceled, or retried from the beginning.",
            ["workflow", "state"],
            registry=registry,
        )
        self.duration = Histogram(
            "moose_run_duration_seconds",
            "Time from the start of a run to its end, with its retries and all it waited for.",
            ["workflow"],
            buckets=_LONG,
            registry=registry,
        )
        self.lag = Histogram(
            "moose_schedule_lag_seconds",
            "How long after its scheduled time a run of a schedule was started.",
            ["workflow"],
            buckets=_LAG,
            registry=registry,
        )
        self.tasks_started = Counter(
            "moose_tasks_started", "Tasks that runs handed to the workers.", ["workflow", "task"], registry=registry
        )
        self.tasks_ended = Counter(
            "moose_tasks_ended",
            "Tasks of which runs learned how they ended: completed, failed, parked or canceled.",
            ["workflow", "task", "state"],
            registry=registry,
        )

    def prepare(self, workflow: str) -> None:
        """Begin at 0."""
        self.started.labels(workflow)
        for state in ("completed", "failed"):
            self.ended.labels(workflow, state)

    def prepare_task(self, workflow: str, task: str) -> None:
        """Begin at 0."""
        for state in ("completed", "failed"):
            self.tasks_ended.labels(workflow, task, state)


class _AttemptMetrics:
    """What attempts show."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = Gauge(
            "moose_task_attempts_running",
            "Attempts that run now.",
            ["workflow", "task"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.ended = Counter(
            "moose_task_attempts",
            "Attempts that ended here: completed, retried (failed, and there is another one), failed (it was the last "
            "one), postponed (RetryLater), canceled, returned (the worker stopped) or unknown (not in its code).",
            ["workflow", "task", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "moose_task_attempt_duration_seconds",
            "Time that an attempt took.",
            ["workflow", "task"],
            buckets=_SHORT,
            registry=registry,
        )
        self.wait = Histogram(
            "moose_task_queue_wait_seconds",
            "Time from when an attempt could begin until a worker took it.",
            ["workflow"],
            buckets=_SHORT,
            registry=registry,
        )

        self.dropped = Counter(
            "moose_task_log_lines_dropped",
            "Lines that attempts wrote and nobody kept.",
            ["workflow", "task"],
            registry=registry,
        )

    def prepare(self, workflow: str, task: str) -> None:
        """Begin at 0."""
        for outcome in ("completed", "retried", "failed"):
            self.ended.labels(workflow, task, outcome)


class _ServerMetrics:
    """What Temporal says, asked every few seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, labels: Iterable[str] = ("kind",)) -> Gauge:
            return Gauge(name, text, list(labels), multiprocess_mode="livemostrecent", registry=registry)

        self._up = gauge("moose_temporal_up", "1 if Temporal answered the last time it was asked, else 0.", ())
        self._backlog = gauge(
            "moose_task_queue_backlog", "What waits in the task queue for a worker: tasks, or steps of runs (kind)."
        )
        self._age = gauge("moose_task_queue_backlog_age_seconds", "How long the first of them has been waiting.")
        self._pollers = gauge(
            "moose_task_queue_pollers", "Workers that asked for work of this kind within the last minutes."
        )

    def see(self, event: QueueSeen | TemporalSilent) -> None:
        """Note what Temporal said; if it said nothing, what it said before is no news."""
        self._up.set(isinstance(event, QueueSeen))
        if isinstance(event, QueueSeen):
            self._backlog.labels(event.kind).set(event.backlog)
            self._age.labels(event.kind).set(event.backlog_age.total_seconds())
            self._pollers.labels(event.kind).set(event.pollers)
            return
        for kind in ("run", "task"):
            for each in (self._backlog, self._age, self._pollers):
                each.labels(kind).set(math.nan)


def _seconds(time: timedelta) -> float:
    """Clocks of two machines may differ; no time is negative."""
    return max(0.0, time.total_seconds())
