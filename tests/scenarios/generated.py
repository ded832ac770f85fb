"""Random graphs whose tasks fail at random, and a brute-force oracle of what has to come of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.scenarios.scenario import AnyTask, Expected, Scenario, journal, workflow

from moose_lib import Task, TaskConfig, TaskContext


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """`parents[n]` are the parents of task n, all smaller; task n fails `fails[n]` times and has one retry."""

    parents: Sequence[frozenset[int]]
    fails: Sequence[int]


RETRIES = 1


def draw(seed: int, size: int) -> Drawn:
    """A graph in which every task hangs on the first one."""
    chance = random.Random(seed)
    parents = [
        frozenset(chance.sample(range(number), chance.randint(1, min(number, 3)))) if number else frozenset[int]()
        for number in range(size)
    ]
    return Drawn(parents=parents, fails=[chance.choice([0, 0, 0, 0, 1, 2]) if n else 0 for n in range(size)])


def oracle(drawn: Drawn) -> dict[str, tuple[str, int]]:
    """State and attempts of each task, by looking at its parents again and again until nothing changes."""
    outcome: dict[int, tuple[str, int]] = {}
    while len(outcome) < len(drawn.parents):
        for number, parents in enumerate(drawn.parents):
            states = [outcome[parent][0] for parent in parents if parent in outcome]
            if any(state != "completed" for state in states):
                outcome[number] = ("skipped", 0)
            elif len(states) == len(parents):
                failures = drawn.fails[number]
                outcome[number] = ("failed", RETRIES + 1) if failures > RETRIES else ("completed", failures + 1)
    return {name(number): it for number, it in sorted(outcome.items())}


def name(number: int) -> str:
    return f"t{number}"


def start_of(drawn: Drawn) -> AnyTask:
    """The declared tasks, wired; the first one."""

    async def run(ctx: TaskContext[None]) -> None:
        journal.note(ctx, ctx.run.task)
        if ctx.run.attempt <= drawn.fails[int(ctx.run.task[1:])]:
            raise ValueError(ctx.run.task)

    tasks: list[AnyTask] = [
        Task[None, None](name=name(number), config=TaskConfig(run=run, retries=RETRIES))
        for number in range(len(drawn.parents))
    ]
    for number, task in enumerate(tasks):
        task.config.on_complete = [tasks[child] for child, its in enumerate(drawn.parents) if number in its]
    return tasks[0]


def expected(drawn: Drawn) -> Expected:
    tasks = oracle(drawn)
    is_failed = any(state == "failed" for state, _ in tasks.values())
    last = [n for n in range(len(drawn.parents)) if not any(n in its for its in drawn.parents)]
    result = None if is_failed or len(last) == 1 else {name(number): None for number in last}
    return Expected(
        status="failed" if is_failed else "completed",
        tasks=dict(tasks),
        result=result,
        error="ValueError" if is_failed else None,
        is_any_failed_task=True,
    )


def scenario(seed: int, size: int) -> Scenario:
    drawn = draw(seed, size)
    return Scenario(workflow=workflow(f"Random{seed}", start_of(drawn)), expected=expected(drawn))


SCENARIOS = [scenario(seed, size) for seed, size in ((1, 6), (2, 9), (3, 12), (4, 16), (5, 20), (6, 25), (7, 30))]
