"""The figures as a Markdown table, and whether they meet the bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.rounds import BY_HAND, LATENCY, MOOSE, STOCK, THROUGHPUT, Figures


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A promise: the ratio of Moose to `against` is at most (latency) or at least (throughput) `limit`."""

    what: str
    against: str
    limit: float

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.limit if self.what == LATENCY else ratio >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.what == LATENCY else '≥'} {self.limit:.2f}"


BARS = (
    Bar(what=LATENCY, against=BY_HAND, limit=1.05),
    Bar(what=THROUGHPUT, against=BY_HAND, limit=1.00),
    Bar(what=LATENCY, against=STOCK, limit=0.40),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison: a graph, a measure and a peer."""

    figures: Figures
    bar: Bar

    @property
    def ratio(self) -> float:
        return median(self.figures.ratios(MOOSE, self.bar.against))

    @property
    def is_met(self) -> bool:
        """Rounded as it is printed, so that the table never contradicts itself."""
        return self.bar.is_met(round(self.ratio, 2))

    def cells(self) -> list[str]:
        ratios = self.figures.ratios(MOOSE, self.bar.against)
        return [
            self.figures.case.title,
            f"{self.figures.what}, {'one at a time' if self.figures.what == LATENCY else '50 in flight'}",
            self.bar.against,
            _value(self.figures, self.bar.against),
            _value(self.figures, MOOSE),
            f"{self.ratio:.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            str(self.bar),
            "yes" if self.is_met else "**no**",
        ]


HEAD = ["graph", "measure", "peer", "peer's", "Moose's", "ratio", "over the rounds", "bar", "met"]


def rows(figures: Sequence[Figures]) -> list[Row]:
    return [
        Row(figures=found, bar=bar)
        for bar in BARS
        for found in figures
        if found.what == bar.what and found.ratios(MOOSE, bar.against)
    ]


def markdown(found: Sequence[Row]) -> str:
    lines = [HEAD, *(row.cells() for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([padded[0], rule, *padded[1:]])


def _value(figures: Figures, side: str) -> str:
    value = figures.median(side)
    assert value is not None, "rows have figures on both sides"
    return f"{1000 * value:.0f} ms" if figures.what == LATENCY else f"{value:.1f} runs/s"
