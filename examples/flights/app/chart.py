"""One picture: how late flights leave each airport over the year, and which airline in which month it is."""

import calendar
import math
from pathlib import Path
from typing import TYPE_CHECKING

from app.figures import by_airline
from app.models import Delays, OriginDelays, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MONTHS = [name[0] for name in calendar.month_abbr[1:]]
COLOURS = {"EWR": "#1b6ca8", "JFK": "#d1495b", "LGA": "#4b8f29"}
CALMEST, WORST = -5, 45  # minutes at the ends of the colour scale
FEWEST_IN_CELL = 10
INK, MUTED = "#222222", "#767676"


def draw_chart(summary: Summary, path: Path) -> None:
    """Draw the monthly means per airport above one airline-by-month grid per airport, as a PNG."""
    # A Figure of its own, no pyplot: tasks run in threads, and importing matplotlib takes a while.
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(13, 9.2), dpi=110, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.1))
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 2.1))
    _draw_months(figure.add_subplot(grid[0, :]), summary)
    airlines = _busiest_first(summary)
    for column, origin in enumerate(summary.origins):
        axes = figure.add_subplot(grid[1, column])
        image = _draw_airlines(axes, origin, airlines, summary.airlines if column == 0 else None)
    figure.colorbar(
        image, ax=figure.axes[1:], label="Mean departure delay, minutes", extend="both", fraction=0.02, pad=0.01
    )
    figure.suptitle(
        f"How late flights left New York in 2013 — {summary.flights:,} flights",
        x=0.01, ha="left", fontsize=15, fontweight="bold", color=INK,
    )  # fmt: skip
    figure.savefig(path)


def _draw_months(axes: "Axes", summary: Summary) -> None:
    for origin in summary.origins:
        means = [_mean(origin, month=month) for month in range(1, 13)]
        colour = COLOURS.get(origin.origin, INK)
        axes.plot(range(1, 13), means, color=colour, linewidth=2.2, marker="o", markersize=4, label=origin.origin)
    axes.legend(frameon=False, ncols=3, loc="upper right")
    axes.set_xlim(0.7, 12.3)
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(1, 13), calendar.month_abbr[1:])
    axes.set_title("By airport: mean departure delay, minutes", loc="left", fontsize=11, color=INK)
    axes.grid(axis="y", color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=MUTED)


def _draw_airlines(
    axes: "Axes", origin: OriginDelays, airlines: list[str], names: dict[str, str] | None
) -> "AxesImage":
    """Draw one airport's grid; only the first has the airlines' names beside it."""
    means = [[_mean(origin, month=month, carrier=code) for month in range(1, 13)] for code in airlines]
    axes.set_facecolor("#f4f4f4")
    image = axes.imshow(means, cmap="YlOrRd", vmin=CALMEST, vmax=WORST, aspect="auto")
    for row, values in enumerate(means):
        for column, value in enumerate(values):
            if not math.isnan(value):
                colour = "white" if value > 0.62 * WORST else INK
                axes.text(column, row, str(round(value)), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(12), MONTHS)
    labels = [] if names is None else [f"{names[code]}  {code}" for code in airlines]
    axes.set_yticks(range(len(airlines)), labels or [""] * len(airlines), fontsize=8.5)
    axes.set_xticks([edge - 0.5 for edge in range(13)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(len(airlines) + 1)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", length=0, colors=MUTED)
    axes.set_title(f"{origin.origin}, by airline and month", loc="left", fontsize=11, color=INK)
    return image


def _mean(origin: OriginDelays, *, month: int, carrier: str | None = None) -> float:
    chosen = [
        cell.delays for cell in origin.cells if cell.month == month and (carrier is None or cell.carrier == carrier)
    ]
    delays = sum(chosen, Delays())
    return math.nan if delays.mean is None or delays.departed < FEWEST_IN_CELL else delays.mean


def _busiest_first(summary: Summary) -> list[str]:
    totals = by_airline(summary)
    return sorted(totals, key=lambda code: totals[code].scheduled, reverse=True)
