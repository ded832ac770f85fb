"""Runs as OpenTelemetry traces: a run is the parent of its tasks, a task of its attempts, an attempt of users' spans.

A span is made by the worker that sees its end, with ids that follow from the run's. So spans of different workers hang
together, and what is told twice after a crash is the same span.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from datetime import datetime
from typing import Final, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags

from moose_lib.observing import ids
from moose_lib.observing.observer import (
    AttemptEnded,
    AttemptSeen,
    AttemptStarted,
    Event,
    Fault,
    RunEnded,
    RunSeen,
    TaskEnded,
    TaskSeen,
)

__all__ = ["DerivedIds", "Tracing"]

_Attributes: TypeAlias = Mapping[str, str | int | float]
_OpenSpan: TypeAlias = tuple[Span, Token[Context]]

_NAME: Final = "moose"


class DerivedIds(RandomIdGenerator):
    """Gives the span that is being made the ids of `with_ids`, and any other span random ones."""

    def __init__(self) -> None:
        self._next: ContextVar[tuple[int, int] | None] = ContextVar("next_ids", default=None)

    def generate_trace_id(self) -> int:
        """The trace of the next span."""
        given = self._next.get()
        return super().generate_trace_id() if given is None else given[0]

    def generate_span_id(self) -> int:
        """The id of the next span."""
        given = self._next.get()
        return super().generate_span_id() if given is None else given[1]

    def set(self, given: tuple[int, int] | None) -> None:
        """The ids for the spans that this context makes; `None`: random ones."""
        self._next.set(given)


class Tracing:
    """Makes spans of `provider`, whose ids are `derived`."""

    def __init__(self, provider: TracerProvider, derived: DerivedIds) -> None:
        self._tracer = provider.get_tracer(_NAME)
        self._sampler = provider.sampler
        self._derived = derived
        self._open: dict[tuple[str, str, int, int], _OpenSpan] = {}

    def see(self, event: Event) -> None:
        """Make a span of what has ended; an attempt's begins with it, and users' spans are its children."""
        match event:
            case RunEnded():
                self._run_ended(event)
            case TaskEnded():
                self._task_ended(event)
            case AttemptStarted(attempt=attempt):
                self._attempt_started(attempt)
            case AttemptEnded():
                self._attempt_ended(event)
            case _:
                pass

    def _run_ended(self, event: RunEnded) -> None:
        run = event.run
        if event.state == "retried":  # it goes on
            return
        links = list[Link]()
        if run.resumed_from is not None:
            before = self._context(run.resumed_from, ids.run_span_id(run.resumed_from))
            links.append(Link(before, {"moose.link": "resumes"}))
        span = self._start(
            run.workflow,
            parent=None,
            own=(ids.trace_id(run.first_run_id), ids.run_span_id(run.first_run_id)),
            started=run.started,
            attributes={**_run_attributes(run), "moose.state": event.state},
            links=links,
        )
        _end(span, event.fault, is_error=event.state == "failed", ended=event.ended)

    def _task_ended(self, event: TaskEnded) -> None:
        task, run = event.task, event.task.run
        trace_id = ids.trace_id(run.first_run_id)
        span = self._start(
            task.name,
            parent=self._context(run.first_run_id, ids.run_span_id(run.first_run_id)),
            own=(trace_id, ids.task_span_id(run.run_id, task.name, task.turn)),
            started=task.started,
            attributes={**_task_attributes(task), "moose.state": event.state},
        )
        _end(span, event.fault, is_error=event.state in {"failed", "parked"}, ended=event.ended)

    def _attempt_started(self, attempt: AttemptSeen) -> None:
        where = (attempt.run_id, attempt.task, attempt.turn)
        span = self._start(
            f"{attempt.task} #{attempt.number}",
            parent=self._context(attempt.first_run_id, ids.task_span_id(*where)),
            own=(ids.trace_id(attempt.first_run_id), ids.attempt_span_id(*where, attempt.handed_out)),
            attributes=_attempt_attributes(attempt),
        )
        self._open[*where, attempt.handed_out] = span, otel_context.attach(trace.set_span_in_context(span))

    def _attempt_ended(self, event: AttemptEnded) -> None:
        attempt = event.attempt
        opened = self._open.pop((attempt.run_id, attempt.task, attempt.turn, attempt.handed_out), None)
        if opened is None:
            return
        span, token = opened
        otel_context.detach(token)
        span.set_attribute("moose.outcome", event.outcome)
        _end(span, event.fault, is_error=event.outcome in {"failed", "retried"})

    def _context(self, first_run_id: str, span_id: int) -> SpanContext:
        """A span that somebody makes or has made; every worker decides alike whether its trace is kept."""
        trace_id = ids.trace_id(first_run_id)
        is_kept = self._sampler.should_sample(None, trace_id, _NAME).decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if is_kept else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    def _start(
        self,
        name: str,
        *,
        parent: SpanContext | None,
        own: tuple[int, int],
        attributes: _Attributes,
        started: datetime | None = None,
        links: Sequence[Link] = (),
    ) -> Span:
        around = Context()
        if parent is not None:
            around = trace.set_span_in_context(NonRecordingSpan(parent), around)
        self._derived.set(own)
        try:
            start = None if started is None else _nanoseconds(started)
            return self._tracer.start_span(name, around, attributes=attributes, links=links, start_time=start)
        finally:
            self._derived.set(None)


def _end(span: Span, fault: Fault | None, *, is_error: bool, ended: datetime | None = None) -> None:
    time = None if ended is None else _nanoseconds(ended)
    if fault is not None:
        exception = {"exception.type": fault.class_name, "exception.message": fault.message}
        if fault.traceback is not None:
            exception["exception.stacktrace"] = fault.traceback
        span.add_event("exception", exception, timestamp=time)
    if is_error:
        span.set_status(Status(StatusCode.ERROR, None if fault is None else str(fault)))
    span.end(time)


def _run_attributes(run: RunSeen) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {
        "moose.workflow": run.workflow,
        "moose.workflow_id": run.workflow_id,
        "moose.run_id": run.run_id,
    }
    if run.attempt > 1:
        attributes["moose.run_attempt"] = run.attempt
    if run.scheduled_time is not None:
        attributes["moose.scheduled_time"] = run.scheduled_time.isoformat()
    if run.resumed_from is not None:
        attributes["moose.resumed_from"] = run.resumed_from
    return attributes


def _task_attributes(task: TaskSeen) -> dict[str, str | int | float]:
    run = task.run
    attributes: dict[str, str | int | float] = {
        "moose.workflow": run.workflow,
        "moose.workflow_id": run.workflow_id,
        "moose.run_id": run.run_id,
        "moose.task": task.name,
    }
    return attributes if task.turn == 1 else attributes | {"moose.turn": task.turn}


def _attempt_attributes(attempt: AttemptSeen) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {
        "moose.workflow": attempt.workflow,
        "moose.workflow_id": attempt.workflow_id,
        "moose.run_id": attempt.run_id,
        "moose.task": attempt.task,
        "moose.attempt": attempt.number,
        "moose.queue_wait_seconds": max(0.0, attempt.waited.total_seconds()),
    }
    return attributes if not attempt.losses else attributes | {"moose.lost_attempts": attempt.losses}


def _nanoseconds(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000) * 1000
