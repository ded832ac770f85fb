"""Every scenario there is."""

from __future__ import annotations

from tests.scenarios import failures, generated, graphs, values

ALL = [*graphs.SCENARIOS, *failures.SCENARIOS, *values.SCENARIOS, *generated.SCENARIOS]
