"""Every scenario there is."""

from __future__ import annotations

from tests.scenarios import failures, generated, graphs, hooks, parking, retrying, values

ALL = [
    *graphs.SCENARIOS,
    *failures.SCENARIOS,
    *retrying.SCENARIOS,
    *hooks.SCENARIOS,
    *parking.SCENARIOS,
    *values.SCENARIOS,
    *generated.SCENARIOS,
]
