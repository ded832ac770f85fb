"""Rules for the hooks of a workflow, the tasks that run after the run: the faults as (code, text, hint)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from moose_lib.dmv2._rules import Finding
from moose_lib.dmv2.outcome import RunOutcome
from moose_lib.dmv2.task import Task, described, wrapping

_AnyTask: TypeAlias = Task[Any, Any]  # Any: each has models of its own


def hook_faults(hooks: Mapping[str, object], tasks: Sequence[_AnyTask]) -> list[Finding]:
    """What is wrong with the hooks (by `on_success`, `on_failure`) of a workflow of `tasks`."""
    found = list[Finding]()
    declared: dict[str, _AnyTask] = {}
    for role, hook in hooks.items():
        if isinstance(hook, Task):
            declared[role] = hook
        else:
            text = f"{role} is {described(hook)}, which is not a task"
            found.append(("not-a-task", text, wrapping(hook, "RunOutcome, None")))
    for role, hook in declared.items():
        found += [
            ("bad-hook", f"{role} is task {hook.name!r}, which {reason}", hint)
            for reason, hint in _reasons(hook, tasks)
        ]
    if len({id(hook) for hook in declared.values()}) > len({hook.name for hook in declared.values()}):
        text = f"on_success and on_failure are two tasks named {next(iter(declared.values())).name!r}"
        found.append(("bad-hook", text, "rename one of them"))
    return found


def _reasons(hook: _AnyTask, tasks: Sequence[_AnyTask]) -> list[tuple[str, str]]:
    """Each (what is wrong with it, what to do)."""
    found = list[tuple[str, str]]()
    if any(task is hook for task in tasks):
        found.append(("is a task of the workflow too", "make a task of its own that runs after the run"))
    elif any(task.name == hook.name for task in tasks):
        found.append(("has the name of a task of the workflow", "rename one of them"))
    if hook.input_type is not None and hook.input_type is not RunOutcome:
        hint = f'write Task[RunOutcome, None](name="{hook.name}", …)'
        found.append((f"takes {hook.input_type.__name__}; a hook takes a RunOutcome or nothing", hint))
    if hook.children:
        found.append(("has on_complete; nothing follows a hook", "do it in the hook itself"))
    if hook.config.input_from is not None:
        found.append(("has input_from; a hook gets the run's outcome", "take input_from out"))
    if hook.config.on_failure == "park":
        found.append(('has on_failure="park"; the run is over, and nobody waits for it', "take on_failure out"))
    return found
