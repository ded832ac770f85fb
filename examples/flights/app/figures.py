"""Adding up the cells of the summary along one axis."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from app.models import Delays, Summary

FEWEST_DEPARTURES = 100  # a mean over fewer says more about chance than about an airline

Key = TypeVar("Key")


def total(summary: Summary) -> Delays:
    return sum((cell.delays for part in summary.origins for cell in part.cells), Delays())


def by_origin(summary: Summary) -> dict[str, Delays]:
    return _added((part.origin, cell.delays) for part in summary.origins for cell in part.cells)


def by_month(summary: Summary) -> dict[int, Delays]:
    return _added((cell.month, cell.delays) for part in summary.origins for cell in part.cells)


def by_airline(summary: Summary) -> dict[str, Delays]:
    return _added((cell.carrier, cell.delays) for part in summary.origins for cell in part.cells)


def worst(totals: Mapping[Key, Delays]) -> Key:
    """The name with the highest mean delay, among those with departures enough for a mean to say something."""
    means = {name: delays.mean for name, delays in totals.items() if delays.departed >= FEWEST_DEPARTURES}
    return max(means, key=lambda name: means[name] or 0.0)


def _added(parts: Iterable[tuple[Key, Delays]]) -> dict[Key, Delays]:
    totals: defaultdict[Key, Delays] = defaultdict(Delays)
    for name, delays in parts:
        totals[name] += delays
    return dict(totals)
