"""Measuring in rounds: each round measures every side, in changing order, so that what the machine does meanwhile hits
all of them. A ratio is the median of the rounds' own ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import Case
from benchmarks.client import Ask
from benchmarks.processes import ClientProcess

MOOSE, BY_HAND, STOCK = "moose", "by hand", "by hand, stock server"
IN_FLIGHT = 50
STOCK_SHARE = 2  # on the stock server runs take so much longer that half as many do


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
        for side in _turned(list(latency), number):
            latency[side].append(_latency(case, side, clients[side]))
        for side in _turned(list(throughput), number):
            throughput[side].append(_throughput(case, clients[side]))
        say(f"{case.title}, round {number + 1} of {rounds}: {_line(latency, throughput)}")
    return [
        Figures(case=case, what=LATENCY, by_side=latency),
        Figures(case=case, what=THROUGHPUT, by_side=throughput),
    ]


def _latency(case: Case, side: str, client: ClientProcess) -> float:
    runs = case.runs // STOCK_SHARE if side == STOCK else case.runs
    return median(client.measure(Ask(workflow=case.workflow, runs=runs, in_flight=1)).runs)


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
