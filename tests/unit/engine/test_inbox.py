"""Signals become decisions, or nothing at all: nonsense must not stop a run."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from moose_lib.engine import wire
from moose_lib.engine.inbox import Decision, GiveUp, Inbox, RetryTask, SkipTask, read_decision


def json_value(text: str) -> RawValue:
    return wire.json_value(text.encode())


NO_JSON = RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=b'{"task": "charge"}'))
NOTHING = RawValue(Payload(metadata={"encoding": b"binary/null"}))
ORDER = json_value('{"task": "charge"}')


@pytest.mark.parametrize(
    ("signal", "args", "decision"),
    [
        ("moose-retry", [ORDER], RetryTask("charge")),
        ("moose-retry", [json_value('"charge"')], RetryTask("charge")),
        ("moose-retry", [json_value('{"task": "charge", "reason": "mended", "more": 1}')], RetryTask("charge")),
        ("moose-retry", [], None),
        ("moose-retry", [NO_JSON], None),
        ("moose-retry", [json_value("{")], None),
        ("moose-retry", [json_value("[]")], None),
        ("moose-skip", [ORDER, json_value("{}")], SkipTask("charge", json_value("{}"))),
        ("moose-skip", [ORDER], SkipTask("charge", json_value("null"))),
        ("moose-skip", [ORDER, NOTHING], SkipTask("charge", json_value("null"))),
        ("moose-skip", [ORDER, NO_JSON], None),
        ("moose-skip", [], None),
        ("moose-fail", [], GiveUp()),
        ("moose-fail", [json_value("7")], GiveUp()),
        ("moose-fail", [json_value('{"reason": "he is gone"}')], GiveUp("he is gone")),
        ("moose-pause", [], None),
        ("something", [ORDER], None),
    ],
)
def test_what_a_signal_decides(signal: str, args: list[RawValue], decision: Decision | None) -> None:
    assert read_decision(signal, args) == decision


def test_decisions_are_taken_once_and_in_their_order() -> None:
    inbox = Inbox()
    for signal in ("moose-retry", "nonsense", "moose-fail"):
        inbox.deliver(signal, [ORDER], 7)
    assert inbox.news.is_set()
    assert inbox.take(8) == [RetryTask("charge"), GiveUp()]
    assert inbox.take(8) == []


def test_a_decision_counts_for_the_step_in_which_it_came() -> None:
    """The end of the task that it is about is told after it, in the same step."""
    inbox = Inbox()
    inbox.deliver("moose-retry", [ORDER], 7)
    assert inbox.take(7) == [RetryTask("charge")]
    inbox.deliver("moose-fail", [], 7)
    assert inbox.take(7) == [RetryTask("charge"), GiveUp()]
    assert inbox.take(9) == []


def test_what_was_said_counts_more_than_what_is_inherited() -> None:
    """A run goes on in a next history while somebody unpauses it."""
    silent, told = Inbox(), Inbox()
    told.deliver("moose-unpause", [], 1)
    for inbox in (silent, told):
        inbox.inherit(is_paused=True)
    assert (silent.is_paused, told.is_paused) == (True, False)
    silent.deliver("moose-unpause", [], 1)
    assert not silent.is_paused
