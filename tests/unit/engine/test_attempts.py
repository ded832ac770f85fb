"""Which attempt this is, whatever Temporal counts."""

from __future__ import annotations

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


def test_asking_to_be_run_again_uses_nothing_up() -> None:
    """Handed out four times: one failed, two asked for more time; this is attempt 2, and nothing got lost."""
    now = read_attempts(4, [{"used": 1, "postponed": 2}])
    assert (now.number, now.losses, now.is_untried) == (2, 0, False)
    assert now.when_postponed == AttemptsUsed(used=1, postponed=3)


def test_whether_an_attempt_has_begun_before() -> None:
    """Workers that did not know the task have not begun one; one that went away may have."""
    assert attempts(1).is_untried
    assert attempts(3, excused=2).is_untried
    assert not attempts(2).is_untried
    assert not attempts(2, used=1).is_untried


def test_asking_other_workers_stays_within_ten_seconds() -> None:
    assert [attempts(n + 1, 0, n).unknown_delay.total_seconds() for n in range(6)] == [1, 2, 4, 8, 10, 10]
