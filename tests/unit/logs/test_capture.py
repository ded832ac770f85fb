"""A task that writes too much keeps the beginning and the end, and a line tells how much is missing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from tests.unit.logs.writing import RUN, line

from moose_lib.logs import capture as module
from moose_lib.logs.allowance import Allowance
from moose_lib.logs.capture import Capture
from moose_lib.logs.lines import Line, document, from_json, level_of, to_json, whole_text
from moose_lib.logs.outlet import Outlet


class Sink:
    """Takes lines as long as there is room."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.lines: list[Line] = []

    def __call__(self, line: Line, must: bool) -> bool:
        if len(self.lines) >= self.room and not must:
            return False
        self.lines.append(line)
        return True

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.lines]


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelno": level, "name": "shop"})


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more may be written because of it."""
    monkeypatch.setattr(module, "Allowance", partial(Allowance, clock=lambda: 0.0))


@pytest.mark.usefixtures("no_time_passes")
def test_a_flood_keeps_its_beginning_and_its_end() -> None:
    """What is missing between them is counted, and whoever reads it learns which setting it was."""
    sink = Sink()
    captured = Capture(sink, burst=50)
    for number in range(1000):
        captured.printed(RUN, "stdout", f"{number}\n")
    captured.attempt_ended(RUN)

    assert sink.messages == [
        *map(str, range(50)),
        "… 930 lines dropped (an attempt may write 50 lines at once, then 1 a second; [logger] burst)",
        *map(str, range(980, 1000)),
    ]
    assert document(sink.lines[50])["fields"] == {"dropped": 930}
    assert sink.lines[50].level == "warning"


@pytest.mark.usefixtures("no_time_passes")
def test_a_flood_hides_no_warning() -> None:
    """Warnings and errors have an allowance of their own."""
    sink = Sink()
    captured = Capture(sink, burst=50)
    for _ in range(1000):
        captured.printed(RUN, "stdout", "x\n")
    captured.logged(RUN, record("mind the gap", logging.ERROR))

    assert sink.messages[-1] == "mind the gap"
    assert sink.messages[50].startswith("… 930 lines dropped")


@pytest.mark.usefixtures("no_time_passes")
def test_the_last_lines_of_a_flood_say_what_was_so_when_they_were_written() -> None:
    """They are made when the end has come; what they are made of may be another thing by then."""
    sink, state = Sink(), ["begun"]
    captured = Capture(sink, burst=50)
    for _ in range(100):
        captured.logged(RUN, record("x"))
    written = logging.makeLogRecord(
        {"msg": "%s", "args": (state,), "levelno": logging.INFO, "name": "shop", "order": 7}
    )
    captured.logged(RUN, written)
    state[0] = "ended"
    captured.attempt_ended(RUN)

    assert sink.messages[-1] == "['begun']"
    assert (sink.lines[-1].fields, sink.lines[-1].logger) == ({"order": 7}, "shop")
    assert sink.messages[50].startswith("… 31 lines dropped")


class CountingBreather:
    """Counts what would be a flood's pieces."""

    def __init__(self) -> None:
        self.pieces = 0

    def written(self) -> None:
        self.pieces += 1


def test_one_flood_is_not_anothers() -> None:
    """Each attempt has an allowance of its own."""
    sink = Sink()
    captured = Capture(sink, burst=50)
    other = replace(RUN, task="ship")
    for number in range(100):
        captured.printed(RUN, "stdout", "flood\n")
        captured.printed(other, "stdout", f"{number}\n") if number < 50 else None
    captured.attempt_ended(other)

    assert [line.message for line in sink.lines if line.run == other] == [str(number) for number in range(50)]


def test_whatever_an_attempt_writes_counts_as_written_in_its_own_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prints and records, also those that are dropped, and none of another attempt's."""
    breathers = list[CountingBreather]()

    def breather() -> CountingBreather:
        breathers.append(CountingBreather())
        return breathers[-1]

    monkeypatch.setattr(module, "Breather", breather)
    captured = Capture(Sink(), burst=5)
    for _ in range(10):
        captured.printed(RUN, "stdout", "line\n")
        captured.logged(RUN, record("record"))
    captured.printed(replace(RUN, task="ship"), "stdout", "line\n")

    assert [it.pieces for it in breathers] == [20, 1]


def test_lines_that_find_no_room_are_counted() -> None:
    """A disk that does not keep up; the count is told when there is room again."""
    sink = Sink(room=1)
    captured = Capture(sink, burst=50)
    captured.printed(RUN, "stdout", "one\ntwo\nthree\n")
    captured.attempt_ended(replace(RUN, task="other"))
    sink.room = 10
    captured.printed(RUN, "stdout", "four\n")

    assert sink.messages == ["one", "… 2 lines dropped", "four"]


def test_lines_that_find_no_room_until_the_end_are_counted_all_the_same() -> None:
    """There is no later line before which the count could be told."""
    sink = Sink(room=1)
    captured = Capture(sink, burst=50)
    captured.printed(RUN, "stdout", "one\ntwo\nthree\n")
    captured.attempt_ended(RUN)

    assert sink.messages == ["one", "… 2 lines dropped"]


def test_a_long_line_becomes_several_and_a_long_message_is_cut() -> None:
    """So is one that never ends: memory stays bounded."""
    sink = Sink()
    captured = Capture(sink, burst=10_000)
    captured.printed(RUN, "stdout", "a" * (module.LONGEST + 1) + "\n")
    captured.printed(RUN, "stdout", "b" * (module.LONGEST * 2 + 1))
    captured.logged(RUN, record("c" * (module.LONGEST + 1)))
    captured.attempt_ended(RUN)

    lengths = [(message[0], len(message)) for message in sink.messages]
    assert lengths[:4] == [("a", module.LONGEST), ("a", 1), ("b", module.LONGEST), ("b", module.LONGEST)]
    assert sink.messages[4].endswith("c… 1 characters cut")
    assert lengths[5] == ("b", 1)


def test_attempts_that_nobody_ends_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that outlive their attempt may print; the oldest one's begun line is told, and no memory grows."""
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    sink = Sink()
    captured = Capture(sink, burst=10)
    for number in range(1, 4):
        captured.printed(replace(RUN, attempt=number), "stdout", f"begun by {number}")

    assert sink.messages == ["begun by 1"]


def test_an_allowance_fills_again() -> None:
    """A hundredth a second; who has emptied it waits for a second's worth."""
    now = 0.0
    allowance = Allowance(1000, lambda: now)
    assert [allowance.admits(10) for _ in range(1001)].count(True) == 1000
    now = 0.5
    assert not allowance.admits(10)
    now = 1.0
    assert [allowance.admits(10) for _ in range(20)].count(True) == 10
    now = 1000.0
    assert allowance.admits(100_000)
    assert [allowance.admits(10) for _ in range(2000)].count(True) == 1000 - 98


def test_what_is_left_when_a_long_line_was_refused_waits_for_a_seconds_worth() -> None:
    """Short lines between the long ones of a flood would each need a line that says what is missing before it."""
    now = 0.0
    allowance = Allowance(1000, lambda: now)
    assert [allowance.admits(992 * 1024), allowance.admits(8 * 1024)] == [True, False]
    assert not allowance.admits(1)
    now = 0.2  # 7 were left, 2 have come
    assert not allowance.admits(1)
    now = 0.31
    assert allowance.admits(1)


def test_a_line_longer_than_the_whole_allowance_is_let_through_once() -> None:
    """A small limit does not mean silence."""
    allowance = Allowance(2, lambda: 0.0)

    assert [allowance.admits(60_000), allowance.admits(1)] == [True, False]


def test_an_outlet_takes_what_fits_and_writes_all_of_it() -> None:
    """More than may wait is refused; the end waits for the rest."""
    written, go = list[Line](), threading.Event()

    def write(lines: Sequence[Line]) -> None:
        go.wait(10)
        written.extend(lines)

    outlet = Outlet("test", write, limit=10)
    taken = [outlet.put(line("x" * 500)) for _ in range(8)] + [outlet.put(line("x" * 1500)) for _ in range(4)]
    go.set()
    outlet.close(10)

    assert taken == [True] * 9 + [False] * 3
    assert len(written) == 9


@pytest.mark.parametrize(("limit", "sizes"), [(1000, [32, 32, 32, 4]), (200, [100])], ids=["room", "little-room"])
def test_an_outlet_writes_a_few_lines_in_one_go_unless_many_wait(limit: int, sizes: list[int]) -> None:
    """Others want Python's lock meanwhile; only where lines might be refused it has to be quick."""
    written, started, go = list[int](), threading.Event(), threading.Event()

    def write(lines: Sequence[Line]) -> None:
        started.set()
        go.wait(10)
        written.append(len(lines))

    outlet = Outlet("test", write, limit=limit)
    outlet.put(line("first"))
    started.wait(10)
    for _ in range(100):
        outlet.put(line("another"))
    go.set()
    outlet.close(10)

    assert written == [1, *sizes]


def test_an_outlet_takes_what_it_must() -> None:
    """However much waits."""
    written, go = list[Line](), threading.Event()

    def write(lines: Sequence[Line]) -> None:
        go.wait(10)
        written.extend(lines)

    outlet = Outlet("test", write, limit=1)
    taken = [outlet.put(line("one")), outlet.put(line("two")), outlet.put(line("three"), must=True)]
    go.set()
    outlet.close(10)

    assert taken == [True, False, True]
    assert [each.message for each in written] == ["one", "three"]


def test_a_line_survives_its_way_through_json() -> None:
    """Whatever is in it."""
    strange = line("half a pair \ud83d, zero \0, three\nlines\u2028here", level="error")._replace(
        traceback="Traceback", fields={"amount": 5, "path": __file__}
    )

    data = to_json(strange)
    assert b"\n" not in data
    assert from_json(data) == strange
    assert from_json(data[:-5]) is None
    assert from_json(b'{"time": 5}') is None
    assert from_json(b"[]") is None


def test_levels_in_between_count_as_the_lower_one() -> None:
    """`logging` knows any number."""
    assert [level_of(number) for number in (5, 10, 25, 30, 45, 60)] == [
        "debug",
        "debug",
        "info",
        "warning",
        "error",
        "critical",
    ]


def test_fields_are_shown_so_that_they_can_be_told_apart() -> None:
    """Quoted where there are spaces."""
    shown = line("paid")._replace(fields={"amount": 5, "to": "Ada L", "note": ""}, logger="bank")

    assert whole_text(shown) == "bank: paid amount=5 to='Ada L' note=''"


def test_a_record_may_tell_its_stack() -> None:
    """`stack_info=True` is below the message."""
    sink = Sink()
    told = record("here")
    told.stack_info = "Stack (most recent call last):"
    Capture(sink, burst=10).logged(RUN, told)

    assert whole_text(sink.lines[0]).endswith("here\nStack (most recent call last):")
