"""What a resumed run keeps and what it runs, and the reason that people are told."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.plan.graphs import plan_of

from moose_lib.plan.model import Plan, PlannedTask, Source, ValueRef
from moose_lib.plan.resume import Past, Verdict, decide, needed_outputs

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
DONE = Past(has_completed=True, has_output=True)
FAILED = Past(has_completed=False, reason="failed: ValueError: bad")
SKIPPED = Past(has_completed=False, reason="was skipped")


def decided(before: Plan | None, now: Plan, past: Mapping[str, Past], *asked: str) -> dict[str, str]:
    return {each.task: f"{each.verdict}: {each.reason}" for each in decide(before, now, past, asked)}


def fed(name: str, *after: str, source: str | None = None, fields: str | None = None) -> PlannedTask:
    kind = Source(kind="nothing") if source is None else Source(kind="task", values=(ValueRef(task=source),))
    return PlannedTask(name=name, after=after, source=kind, timeout=None, retries=0, input_fields=fields)


def test_finished_tasks_are_kept_and_the_failed_one_and_what_follows_runs() -> None:
    plan = plan_of(DIAMOND)

    assert decided(plan, plan, {"a": DONE, "b": FAILED, "c": DONE, "d": SKIPPED}) == {
        "a": "kept: completed",
        "b": "re-run: failed: ValueError: bad",
        "c": "kept: completed",
        "d": "re-run: was skipped",
    }


def test_what_is_asked_for_runs_again_with_all_that_follows() -> None:
    plan = plan_of(DIAMOND)
    past = dict.fromkeys(DIAMOND, DONE)

    assert decided(plan, plan, past, "b") == {
        "a": "kept: completed",
        "b": "re-run: asked for",
        "c": "kept: completed",
        "d": "re-run: comes after b, which runs again",
    }


def test_a_new_task_runs_with_all_that_follows_and_an_old_one_is_gone() -> None:
    before, now = plan_of({"a": [], "b": ["a"], "x": ["a"]}), plan_of({"a": [], "n": ["a"], "b": ["n"]})

    assert decided(before, now, {"a": DONE, "b": DONE, "x": DONE}) == {
        "a": "kept: completed",
        "n": "added: not in the plan of the run",
        "b": "re-run: comes after n, which is new",
        "x": "removed: not in the plan of now",
    }


def test_an_output_that_does_not_fit_the_model_of_now_is_made_again() -> None:
    plan = plan_of({"a": [], "b": ["a"]})
    past = {"a": Past(has_completed=True, has_output=True, misfit="total: field required"), "b": FAILED}

    assert decided(plan, plan, past)["a"] == "re-run: its output does not fit the model of now: total: field required"


def test_a_changed_input_model_runs_the_task_again_and_says_what_changed() -> None:
    tasks = (fed("a"), fed("b", "a", source="a", fields="1"))
    before = Plan(workflow="W", start="a", tasks=tasks, models={"1": {"total": "integer"}})
    changed = (fed("a"), fed("b", "a", source="a", fields="2"))
    models = {"2": {"total": "integer"} | {f"f{n}": "string" for n in range(5)}}
    now = Plan(workflow="W", start="a", tasks=changed, models=models)
    nothing = Plan(workflow="W", start="a", tasks=(fed("a"), fed("b", "a", source="a")))
    past = {"a": DONE, "b": DONE}

    text = "re-run: input model changed: field `f0` added, field `f1` added, field `f2` added and 2 more"
    assert decided(before, now, past) == {"a": "kept: completed", "b": text}
    assert decided(before, nothing, past)["b"] == "re-run: it takes no input any more"
    assert decided(nothing, now, past)["b"] == "kept: completed", "a plan of an earlier release says nothing"


def test_a_task_that_is_fed_by_another_one_runs_again() -> None:
    before = Plan(workflow="W", start="a", tasks=(fed("a"), fed("b", "a"), fed("c", "b", source="a")))
    now = Plan(workflow="W", start="a", tasks=(fed("a"), fed("b", "a"), fed("c", "b", source="b")))

    reasons = decided(before, now, {"a": DONE, "b": DONE, "c": DONE})

    assert reasons["c"] == "re-run: its input was output of a, and is output of b"


def test_an_output_that_is_gone_is_made_again_only_if_it_is_needed() -> None:
    """Long runs drop outputs that nobody reads any more."""
    gone = Past(has_completed=True, has_output=False)
    chain = Plan(workflow="W", start="a", tasks=(fed("a"), fed("b", "a", source="a"), fed("c", "b", source="b")))

    assert decided(chain, chain, {"a": gone, "b": DONE, "c": FAILED})["a"] == "kept: completed"
    again = decided(chain, chain, {"a": gone, "b": gone, "c": FAILED})
    assert again["a"] == "re-run: its output is no longer stored"
    assert again["b"] == "re-run: comes after a, which runs again"


def test_a_run_that_never_had_a_plan_runs_everything() -> None:
    assert set(decided(None, plan_of(DIAMOND), {}).values()) == {"re-run: did not run"}


def test_the_outputs_that_travel_are_those_still_to_be_read() -> None:
    plan = Plan(workflow="W", start="a", tasks=(fed("a"), fed("b", "a", source="a"), fed("c", "b", source="b")))

    assert needed_outputs(plan, ["a", "b"]) == ("b",)
    assert needed_outputs(plan, ["a", "b", "c"]) == ("c",)
    assert [verdict.value for verdict in Verdict] == ["kept", "re-run", "added", "removed"]
