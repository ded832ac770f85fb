"""Every scenario there is."""

from __future__ import annotations

from tests.scenarios import failures, graphs, values

ALL = [*graphs.SCENARIOS, *failures.SCENARIOS, *values.SCENARIOS]
