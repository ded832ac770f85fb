"""Going on where a run left off, with the plan of now: which outputs are kept, what runs, and why.

Pure: what happened comes as `Past`, the code of now as a plan. A task keeps its output if it completed, its input is
wired and shaped as it was, its output fits the model of now, and so for everything before it. A new handler alone does
not run a finished task again. Whether a task was running does not matter: it runs again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from moose_lib.plan.fields import changes
from moose_lib.plan.model import Plan, PlannedTask
from moose_lib.plan.progress import Progress

_SHOWN_CHANGES = 3


class Verdict(StrEnum):
    """What resuming does with a task."""

    KEPT = "kept"  # its output is taken over
    RERUN = "re-run"  # it runs, again or at last
    ADDED = "added"  # it runs, and was not there before
    REMOVED = "removed"  # it is not there any more


@dataclass(frozen=True, kw_only=True)
class Past:
    """What became of a task in the run that is resumed.

    `has_completed`, with an output that is still stored or not; otherwise `reason` tells what happened ("failed:
    ValueError: …"). `misfit` says why the output does not fit the task's model of now.
    """

    has_completed: bool
    has_output: bool = False
    reason: str = ""
    misfit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What resuming does with one task, and why."""

    task: str
    verdict: Verdict
    reason: str


def decide(before: Plan | None, now: Plan, past: Mapping[str, Past], asked: Iterable[str] = ()) -> tuple[Decided, ...]:
    """What happens to each task of both plans: those of `now` in its order, then the removed ones.

    `before` is `None` for a run that ended before it had a plan. `asked` are tasks to run again though they completed.
    """
    lost = set[str]()
    while True:
        decided = _decided(before, now, past, set(asked), lost)
        kept = {each.task for each in decided if each.verdict is Verdict.KEPT}
        missing = {name for name in needed_outputs(now, kept) if not past[name].has_output}
        if not missing:
            return (*decided, *_removed(before, now))
        lost |= missing


def needed_outputs(plan: Plan, kept: Iterable[str]) -> tuple[str, ...]:
    """The kept tasks whose outputs the resumed run needs, in the order of the plan."""
    progress = Progress(plan, completed=kept)
    progress.start()
    needed = progress.needed_outputs
    return tuple(task.name for task in plan.tasks if task.name in needed)


def _decided(
    before: Plan | None, now: Plan, past: Mapping[str, Past], asked: set[str], lost: set[str]
) -> list[Decided]:
    verdicts: dict[str, Decided] = {}
    for task in now.tasks:
        earlier = None if before is None else before.by_name.get(task.name)
        if before is not None and earlier is None:
            verdicts[task.name] = Decided(task=task.name, verdict=Verdict.ADDED, reason="not in the plan of the run")
            continue
        reason = _reason_to_run(task, earlier, past.get(task.name), verdicts)
        if task.name in asked:
            reason = "asked for"
        elif reason is None and task.name in lost:
            reason = "its output is no longer stored"
        elif reason is None and earlier is not None and before is not None:
            reason = _change(task, earlier, before, now)
        verdict = Verdict.KEPT if reason is None else Verdict.RERUN
        verdicts[task.name] = Decided(task=task.name, verdict=verdict, reason=reason or "completed")
    return list(verdicts.values())


def _reason_to_run(
    task: PlannedTask, earlier: PlannedTask | None, past: Past | None, verdicts: Mapping[str, Decided]
) -> str | None:
    """Why a task cannot keep its output, as far as its past tells; its own state says more than its parents'."""
    if earlier is None or past is None:
        return "did not run"
    if not past.has_completed:
        return past.reason or "did not run"
    for name in task.after:
        if verdicts[name].verdict is Verdict.ADDED:
            return f"comes after {name}, which is new"
        if verdicts[name].verdict is Verdict.RERUN:
            return f"comes after {name}, which runs again"
    return None if past.misfit is None else f"its output does not fit the model of now: {past.misfit}"


def _change(task: PlannedTask, earlier: PlannedTask, before: Plan, now: Plan) -> str | None:
    """How the input of a task differs from what it was when it completed."""
    if task.source != earlier.source:
        return f"its input was {earlier.source}, and is {task.source}"
    if task.input_fields == earlier.input_fields or earlier.input_fields is None:
        return None
    if task.input_fields is None:
        return "it takes no input any more"
    found = changes(before.models.get(earlier.input_fields, {}), now.models.get(task.input_fields, {}))
    more = f" and {len(found) - _SHOWN_CHANGES} more" if len(found) > _SHOWN_CHANGES else ""
    return f"input model changed: {', '.join(found[:_SHOWN_CHANGES])}{more}"


def _removed(before: Plan | None, now: Plan) -> list[Decided]:
    tasks = () if before is None else before.tasks
    return [
        Decided(task=task.name, verdict=Verdict.REMOVED, reason="not in the plan of now")
        for task in tasks
        if task.name not in now.by_name
    ]
