"""The local runner agrees with a brute-force oracle on every graph, whichever of its tasks fail."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scenarios.generated import RETRIES, Drawn, oracle, start_of
from tests.scenarios.scenario import journal, workflow

from moose_lib.testing import run_local


@st.composite
def drawn_graphs(draw: st.DrawFn) -> Drawn:
    size = draw(st.integers(1, 12))
    parents = [
        frozenset(draw(st.sets(st.integers(0, number - 1), min_size=1, max_size=3))) if number else frozenset[int]()
        for number in range(size)
    ]
    return Drawn(parents=parents, fails=draw(st.lists(st.integers(0, RETRIES + 1), min_size=size, max_size=size)))


@given(drawn_graphs())
@settings(max_examples=150, deadline=None)
def test_states_attempts_and_order_are_the_oracles(drawn: Drawn) -> None:
    expected = oracle(drawn)
    run = run_local(workflow("Drawn", start_of(drawn)))

    assert {task.name: (task.state, len(task.attempts)) for task in run.tasks} == expected
    assert (run.state == "failed") == any(state == "failed" for state, _ in expected.values())
    assert list(run.executed) == list(dict.fromkeys(journal.notes(run.workflow_id)))
    for number, parents in enumerate(drawn.parents):
        started = run.task(f"t{number}").started
        for parent in (run.task(f"t{parent}") for parent in parents):
            if started is not None:
                assert parent.started is not None
                assert parent.duration is not None
                assert parent.started + parent.duration <= started
