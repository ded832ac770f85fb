"""Spans: their ids, parents and links, without any exporter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanContext
from tests.unit.observing.seen import SECOND, START, attempt, run, task

from moose_lib.observing import ids
from moose_lib.observing.observer import (
    AttemptEnded,
    AttemptOutcome,
    AttemptStarted,
    Event,
    Fault,
    RunEnded,
    RunStarted,
    TaskEnded,
)
from moose_lib.observing.tracing import DerivedIds, Tracing

FAULT = Fault(class_name="shop.Declined", message="no money", traceback="Traceback …")


class Traced:
    def __init__(self, sampler: Sampler | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        derived = DerivedIds()
        self.provider = TracerProvider(sampler=sampler, id_generator=derived, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(self.provider, derived)

    def see(self, *events: Event) -> None:
        for event in events:
            self.tracing.see(event)

    def span(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.exporter.get_finished_spans() if span.name == name]
        return span


def context_of(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


@pytest.fixture
def traced() -> Traced:
    return Traced()


def test_parents_are_known_before_they_are_made(traced: Traced) -> None:
    """The attempt ends first, in one worker; the run last, in another perhaps."""
    began = attempt()
    traced.see(AttemptStarted(attempt=began), AttemptEnded(attempt=began, outcome="completed", took=SECOND))
    traced.see(TaskEnded(task=task(), state="completed", ended=START + SECOND))
    traced.see(RunEnded(run=run(), state="completed", ended=START + 2 * SECOND))
    of_run, of_task, of_attempt = (traced.span(name) for name in ("Orders", "charge", "charge #1"))

    assert of_run.parent is None
    assert of_task.parent is not None
    assert of_attempt.parent is not None
    assert of_task.parent.span_id == context_of(of_run).span_id == ids.run_span_id("r1")
    assert of_attempt.parent.span_id == context_of(of_task).span_id
    assert {context_of(span).trace_id for span in traced.exporter.get_finished_spans()} == {ids.trace_id("r1")}
    assert (of_run.end_time or 0) - (of_run.start_time or 0) == 2_000_000_000


def test_users_spans_are_children_of_the_attempt_and_have_random_ids(traced: Traced) -> None:
    began = attempt()
    traced.see(AttemptStarted(attempt=began))
    for name in ("first", "second"):
        with traced.provider.get_tracer("shop").start_as_current_span(name):
            pass
    traced.see(AttemptEnded(attempt=began, outcome="completed", took=SECOND))
    first, second, own = (traced.span(name) for name in ("first", "second", "charge #1"))

    assert first.parent == context_of(own)
    assert context_of(first).span_id != context_of(second).span_id
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(
    ("outcome", "is_error"),
    [("completed", False), ("retried", True), ("failed", True), ("postponed", False), ("returned", False)],
)
def test_only_failures_are_errors(traced: Traced, outcome: AttemptOutcome, is_error: bool) -> None:
    began = attempt()
    fault = None if outcome == "completed" else FAULT
    ended = AttemptEnded(attempt=began, outcome=outcome, took=SECOND, fault=fault)
    traced.see(AttemptStarted(attempt=began), ended)
    span = traced.span("charge #1")

    assert span.status.is_ok is not is_error
    assert [event.name for event in span.events] == ([] if fault is None else ["exception"])
    assert dict(span.attributes or {})["moose.outcome"] == outcome


def test_a_fault_is_an_event_with_its_traceback(traced: Traced) -> None:
    traced.see(RunEnded(run=run(), state="failed", ended=START, fault=FAULT))
    span = traced.span("Orders")

    assert span.status.description == "Declined: no money"
    assert dict(span.events[0].attributes or {}) == {
        "exception.type": "shop.Declined",
        "exception.message": "no money",
        "exception.stacktrace": "Traceback …",
    }


def test_a_run_that_is_retried_has_one_span_in_the_end(traced: Traced) -> None:
    later = run(run_id="r2", first_run_id="r1", attempt=2)
    traced.see(RunEnded(run=run(), state="retried", ended=START, fault=FAULT))
    traced.see(RunStarted(run=later), RunEnded(run=later, state="completed", ended=START + SECOND))
    span = traced.span("Orders")

    assert context_of(span).trace_id == ids.trace_id("r1")
    assert dict(span.attributes or {})["moose.run_attempt"] == 2


def test_a_resumed_run_links_to_the_one_before(traced: Traced) -> None:
    traced.see(RunEnded(run=run(resumed_from="r0"), state="completed", ended=START))
    (link,) = traced.span("Orders").links

    assert (link.context.trace_id, link.context.span_id) == (ids.trace_id("r0"), ids.run_span_id("r0"))


def test_a_scheduled_run_has_its_slot(traced: Traced) -> None:
    traced.see(RunEnded(run=run(scheduled_time=START - timedelta(hours=1)), state="completed", ended=START))

    assert dict(traced.span("Orders").attributes or {})["moose.scheduled_time"] == "2027-01-01T23:00:00+00:00"


def test_what_is_told_twice_is_the_same_span(traced: Traced) -> None:
    """A worker died between making a step and reporting it."""
    ended = TaskEnded(task=task(), state="completed", ended=START)
    traced.see(ended, ended)
    first, second = traced.exporter.get_finished_spans()

    assert context_of(first) == context_of(second)
    assert (first.start_time, first.end_time) == (second.start_time, second.end_time)


def test_an_attempt_that_nobody_saw_begin_ends_in_silence(traced: Traced) -> None:
    traced.see(AttemptEnded(attempt=attempt(), outcome="completed", took=SECOND))

    assert traced.exporter.get_finished_spans() == ()


def test_a_sampler_drops_whole_traces() -> None:
    traced = Traced(ParentBased(TraceIdRatioBased(0.5)))
    for number in range(40):
        seen = run(run_id=f"r{number}", first_run_id=f"r{number}")
        traced.see(TaskEnded(task=task(of=seen), state="completed", ended=START))
        traced.see(RunEnded(run=seen, state="completed", ended=START))
    spans = traced.exporter.get_finished_spans()
    of_runs = {context_of(span).trace_id for span in spans if span.name == "Orders"}
    of_tasks = {context_of(span).trace_id for span in spans if span.name == "charge"}

    assert of_runs == of_tasks
    assert 0 < len(of_runs) < 40


@pytest.mark.parametrize(
    "make",
    [
        lambda: (ids.task_span_id("r1", "a", 1), ids.task_span_id("r1", "a", 2)),
        lambda: (ids.task_span_id("r1", "a", 1), ids.task_span_id("r2", "a", 1)),
        lambda: (ids.attempt_span_id("r1", "a", 1, 1), ids.attempt_span_id("r1", "a", 1, 2)),
        lambda: (ids.run_span_id("r1"), ids.run_span_id("r2")),
    ],
)
def test_ids_differ_where_something_does(make: Callable[[], tuple[int, int]]) -> None:
    one, other = make()

    assert one != other
    assert 0 < one < 1 << 64
    assert make() == (one, other)
