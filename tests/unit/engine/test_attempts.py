"""Which attempt this is, whatever Temporal counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moose_lib.engine.attempts import Attempts, read_attempts
from moose_lib.engine.wire import AttemptsUsed


def attempts(handed_out: int, used: int = 0, excused: int = 0) -> Attempts:
    return Attempts(handed_out=handed_out, notes=AttemptsUsed(used=used, excused=excused))


def test_the_first_attempt_has_no_notes() -> None:
    """Handed out once, nothing used: attempt 1."""
    first = read_attempts(1, [])
    assert (first.number, first.losses) == (1, 0)


def test_only_failures_use_attempts_up() -> None:
    """Handed out six times: two failed, two were excused, one got lost; this is attempt 3."""
    now = read_attempts(6, [{"used": 2, "excused": 2}])
    assert (now.number, now.losses) == (3, 1)
    assert now.when_used == AttemptsUsed(used=3, excused=2)
    assert now.when_excused == AttemptsUsed(used=2, excused=3)


@pytest.mark.parametrize("details", [["text"], [{"used": "many"}], [None]])
def test_foreign_heartbeat_details_are_not_ours(details: list[object]) -> None:
    """What is no note of ours counts as none."""
    assert read_attempts(2, details).notes == AttemptsUsed()


@pytest.mark.parametrize(("used", "retries", "is_last"), [(0, 0, True), (0, 1, False), (1, 1, True), (5, 3, True)])
def test_the_last_attempt(used: int, retries: int, is_last: bool) -> None:
    """`retries` further attempts after the first."""
    assert attempts(used + 1, used).is_last(retries) is is_last


def test_delays_double_up_to_a_limit() -> None:
    """1 s, 2 s, 4 s … 100 s between attempts; asking other workers stays within 10 s."""
    delays = [attempts(n + 1, n).delay.total_seconds() for n in range(9)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert attempts(2000, 1999).delay == timedelta(seconds=100)
    assert [attempts(n + 1, 0, n).unknown_delay.total_seconds() for n in range(6)] == [1, 2, 4, 8, 10, 10]
