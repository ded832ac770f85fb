"""Every scenario there is."""

from __future__ import annotations

from tests.scenarios import failures, graphs

ALL = [*graphs.SCENARIOS, *failures.SCENARIOS]
