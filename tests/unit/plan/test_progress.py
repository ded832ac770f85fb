"""How a run advances, against an oracle that looks at the whole graph each time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.graphs import parents_of_tasks, plan_of

from moose_lib.plan.model import Plan, PlannedTask, Source, ValueRef
from moose_lib.plan.progress import Progress, TaskState

W, R, P, C, F, S, X = TaskState

DIAMOND = plan_of({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})
Parents = dict[str, list[str]]


def ancestors(after: Parents, name: str) -> set[str]:
    found = set(after[name])
    for parent in after[name]:
        found |= ancestors(after, parent)
    return found


def expected(after: Parents, completed: set[str], failed: set[str]) -> dict[str, TaskState]:
    """By definition: what has all parents runs, what is behind a failure never will."""

    def state(name: str) -> TaskState:
        if name in completed | failed:
            return C if name in completed else F
        if ancestors(after, name) & failed:
            return S
        return R if set(after[name]) <= completed else W

    return {name: state(name) for name in after}


def states(progress: Progress, plan: Plan) -> dict[str, TaskState]:
    return {task.name: progress.state(task.name) for task in plan.tasks}


@given(st.data(), parents_of_tasks())
def test_any_order_of_ends_keeps_every_task_where_the_oracle_has_it(data: st.DataObject, after: Parents) -> None:
    plan = plan_of(after)
    progress = Progress(plan)
    started = list(progress.start())
    completed, failed = set[str](), set[str]()
    while not progress.is_finished:
        assert states(progress, plan) == expected(after, completed, failed)
        assert sorted(progress.running) == [name for name in sorted(after) if progress.state(name) is R]
        name = data.draw(st.sampled_from(sorted(progress.running)))
        if data.draw(st.booleans()):
            completed.add(name)
            started += progress.complete(name)
        else:
            failed.add(name)
            progress.fail(name)
    assert states(progress, plan) == expected(after, completed, failed)
    assert len(started) == len(set(started)), "a task is started once"
    assert set(started) == completed | failed
    assert progress.failed == tuple(name for name in after if name in failed)
    assert progress.completed == tuple(name for name in after if name in completed)


@given(st.data(), parents_of_tasks())
def test_a_run_goes_on_from_any_frontier(data: st.DataObject, after: Parents) -> None:
    """Where a run was cut does not matter to how it goes on."""
    first = Progress(plan_of(after))
    first.start()
    for _ in range(data.draw(st.integers(0, len(after)))):
        if first.is_finished:
            break
        name = data.draw(st.sampled_from(sorted(first.running)))
        if data.draw(st.booleans()):
            first.complete(name)
        else:
            first.fail(name)

    second = Progress(plan_of(after), completed=[*first.completed, *first.completed], failed=first.failed)
    started = second.start()

    assert sorted(started) == sorted(first.running)
    assert states(second, plan_of(after)) == states(first, plan_of(after))


def test_children_start_together_and_a_join_once_after_all_its_parents() -> None:
    progress = Progress(DIAMOND)

    assert progress.start() == ("a",)
    assert progress.complete("a") == ("b", "c")
    assert progress.waiting_for("d") == ("b", "c")
    assert progress.complete("c") == ()
    assert progress.waiting_for("d") == ("b",)
    assert progress.complete("b") == ("d",)
    assert progress.waiting_for("d") == ()
    assert not progress.is_finished
    assert progress.complete("d") == ()
    assert progress.is_finished


def test_a_failed_branch_does_not_stop_its_siblings_but_the_join_never_starts() -> None:
    progress = Progress(DIAMOND)
    progress.start()
    progress.complete("a")
    progress.fail("b")

    assert progress.running == ("c",)
    assert progress.state("d") is S
    assert progress.complete("c") == ()
    assert progress.is_finished
    assert progress.failed == ("b",)


def test_canceling_ends_what_runs_and_what_waits() -> None:
    progress = Progress(DIAMOND)
    progress.start()
    progress.complete("a")
    progress.fail("b")
    progress.cancel()

    assert states(progress, DIAMOND) == {"a": C, "b": F, "c": X, "d": S}
    assert progress.is_finished


def test_what_waits_when_the_run_is_canceled_never_starts() -> None:
    progress = Progress(DIAMOND)
    progress.start()
    progress.cancel()

    assert states(progress, DIAMOND) == {"a": X, "b": S, "c": S, "d": S}


def test_a_parked_task_holds_what_depends_on_it_and_not_its_siblings() -> None:
    progress = Progress(DIAMOND)
    progress.start()
    progress.complete("a")
    progress.park("b")

    assert states(progress, DIAMOND) == {"a": C, "b": P, "c": R, "d": W}
    assert progress.waiting_for("d") == ("b", "c")
    assert progress.complete("c") == ()
    assert not progress.is_finished
    assert progress.parked == ("b",)


def test_a_parked_task_is_retried_skipped_or_given_up() -> None:
    """Retried it runs again, skipped it has completed by hand, given up it has failed."""
    progress = Progress(DIAMOND, completed=["a", "c"], parked=["b"])
    assert progress.start() == ()

    assert progress.retry("b") == ("b",)
    assert progress.running == ("b",)
    progress.park("b")
    assert progress.complete("b") == ("d",)
    progress.park("d")
    progress.fail("d")

    assert states(progress, DIAMOND) == {"a": C, "b": C, "c": C, "d": F}
    assert progress.is_finished
    assert progress.parked == ()


def test_a_parked_task_of_a_canceled_run_has_failed() -> None:
    progress = Progress(DIAMOND, completed=["a"], parked=["b"])
    progress.start()
    progress.cancel()

    assert states(progress, DIAMOND) == {"a": C, "b": F, "c": X, "d": S}
    assert progress.is_finished


def test_only_a_parked_task_is_retried() -> None:
    progress = Progress(DIAMOND)
    progress.start()

    with pytest.raises(AssertionError, match="a is retried, but it is running"):
        progress.retry("a")


def test_a_finished_run_has_nothing_to_start() -> None:
    progress = Progress(DIAMOND, completed=["a", "b", "c", "d"])

    assert progress.start() == ()
    assert progress.is_finished


def test_only_a_running_task_can_end() -> None:
    progress = Progress(DIAMOND)
    progress.start()

    with pytest.raises(AssertionError, match="b finishes, but it is waiting"):
        progress.complete("b")
    with pytest.raises(KeyError):
        progress.state("unknown")


def fed(name: str, after: tuple[str, ...], *values: str) -> PlannedTask:
    source = Source(kind="assembled", values=tuple(ValueRef(task=value) for value in values))
    return PlannedTask(name=name, after=after, source=source, timeout=None, retries=0)


def test_an_output_is_kept_as_long_as_a_task_or_the_result_needs_it() -> None:
    """A long run carries only these on."""
    tasks = (fed("a", ()), fed("b", ("a",), "a"), fed("c", ("b",)), fed("d", ("c",), "a", "c"), fed("e", ("b",)))
    progress = Progress(Plan(workflow="Flow", start="a", tasks=tasks))
    progress.start()
    needed = [progress.needed_outputs]
    for name in "abced":
        progress.complete(name)
        needed.append(progress.needed_outputs)

    assert [sorted(names) for names in needed] == [[], ["a"], ["a"], ["a", "c"], ["a", "c", "e"], ["d", "e"]]


@given(parents_of_tasks())
def test_a_run_takes_as_many_rounds_as_its_longest_path(after: Parents) -> None:
    progress = Progress(plan_of(after))
    round_of = dict.fromkeys(progress.start(), 0)
    for number in itertools.count(1):
        if progress.is_finished:
            break
        for name in progress.running:
            round_of |= dict.fromkeys(progress.complete(name), number)

    for name, parents in after.items():
        assert round_of[name] == max((round_of[parent] + 1 for parent in parents), default=0)
