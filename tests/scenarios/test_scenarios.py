"""One suite, two runners: what a scenario promises holds in the local runner and on Temporal alike."""

from __future__ import annotations

import pytest
from tests.scenarios.catalogue import ALL
from tests.scenarios.runners import Runner
from tests.scenarios.scenario import Scenario


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
async def test_scenario(runner: Runner, scenario: Scenario) -> None:
    scenario.expected.compare(await runner.run(scenario))
