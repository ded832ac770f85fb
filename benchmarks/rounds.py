"""Measuring in rounds: each round measures every side, in changing order, so that what the machine does meanwhile hits
all of them. A ratio is the median of the rounds' own ratios.

Runs one at a time alternate between the sides in small turns. The stock server gets one long turn instead: its rate
limits let a few runs through after a pause (60 ms each for the chain) before they bite (200 ms), so short turns would
measure the pause. Its first runs are therefore not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import Case
from benchmarks.client import Ask
from benchmarks.processes import ClientProcess

MOOSE, BY_HAND, STOCK = "moose", "by hand", "by hand, stock server"
IN_FLIGHT = 50
TURN = 4  # runs of one side before the other's turn
AFTER_PAUSE = 9  # runs on the stock server until its limits bite


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One number per round and side: median seconds of a run, or runs per second. `case` and `what` say of what."""

    case: Case
    what: str
    by_side: Mapping[str, Sequence[float]]

    def median(self, side: str) -> float | None:
        values = self.by_side.get(side)
        return None if not values else median(values)

    def ratios(self, side: str, against: str) -> list[float]:
        pairs = zip(self.by_side.get(side, ()), self.by_side.get(against, ()), strict=True)
        return [ours / theirs for ours, theirs in pairs]


LATENCY, THROUGHPUT = "latency", "throughput"


def warm_up(case: Case, clients: Mapping[str, ClientProcess]) -> None:
    for client in clients.values():
        client.measure(Ask(workflow=case.workflow, runs=4, in_flight=2))


def measure_case(
    case: Case, clients: Mapping[str, ClientProcess], rounds: int, say: Callable[[str], None]
) -> list[Figures]:
    """Measure one graph on all sides; throughput not on the stock server, for which there is no bar."""
    latency: dict[str, list[float]] = {side: [] for side in clients}
    throughput: dict[str, list[float]] = {side: [] for side in clients if side != STOCK}
    warm_up(case, clients)
    for number in range(rounds):
        for side, seconds in _latencies(case, clients, number).items():
            latency[side].append(seconds)
        for side in _turned(list(throughput), number):
            throughput[side].append(_throughput(case, clients[side]))
        say(f"{case.title}, round {number + 1} of {rounds}: {_line(latency, throughput)}")
    return [
        Figures(case=case, what=LATENCY, by_side=latency),
        Figures(case=case, what=THROUGHPUT, by_side=throughput),
    ]


def _latencies(case: Case, clients: Mapping[str, ClientProcess], number: int) -> dict[str, float]:
    """The median seconds of a run on each side, one run at a time."""
    runs: dict[str, list[float]] = {side: [] for side in clients}
    sides = [side for side in clients if side != STOCK]
    for turn in range(case.runs // TURN):
        for side in _turned(sides, number + turn):
            runs[side] += clients[side].measure(Ask(workflow=case.workflow, runs=TURN, in_flight=1)).runs
    if STOCK in clients:
        ask = Ask(workflow=case.workflow, runs=AFTER_PAUSE + case.runs // 2, in_flight=1)
        runs[STOCK] = clients[STOCK].measure(ask).runs[AFTER_PAUSE:]
    return {side: median(seconds) for side, seconds in runs.items()}


def _throughput(case: Case, client: ClientProcess) -> float:
    timing = client.measure(Ask(workflow=case.workflow, runs=case.batch, in_flight=IN_FLIGHT))
    return case.batch / timing.total


def _turned(sides: list[str], by: int) -> list[str]:
    turn = by % len(sides)
    return sides[turn:] + sides[:turn]


def _line(latency: Mapping[str, Sequence[float]], throughput: Mapping[str, Sequence[float]]) -> str:
    parts = [f"{side} {1000 * values[-1]:.0f} ms" for side, values in latency.items()]
    parts += [f"{side} {values[-1]:.1f}/s" for side, values in throughput.items()]
    return ", ".join(parts)
