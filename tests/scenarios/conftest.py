"""`runner` is the local runner, then Temporal: every scenario has to come out the same."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from tests.integration.conftest import client, engine_settings, temporal_port
from tests.scenarios.catalogue import ALL
from tests.scenarios.runners import LocalRunner, Runner, TemporalRunner
from tests.scenarios.scenario import Scenario

from moose_lib.project.settings import Settings

__all__ = ["client", "engine_settings", "temporal_port"]


@pytest.fixture(scope="session")
async def temporal_runner(
    client: Client, engine_settings: Settings, request: pytest.FixtureRequest
) -> AsyncIterator[TemporalRunner]:
    queue = f"scenarios-{uuid.uuid4().hex[:8]}"
    temporal = engine_settings.temporal.model_copy(update={"task_queue": queue})
    runner = TemporalRunner(client, engine_settings.model_copy(update={"temporal": temporal}))
    async with runner.working(_selected(request.session.items)) as working:
        yield working


@pytest.fixture(params=["local", "temporal"])
def runner(request: pytest.FixtureRequest) -> Runner:
    if request.param == "local":
        return LocalRunner()
    working: TemporalRunner = request.getfixturevalue("temporal_runner")
    return working


def _selected(items: list[pytest.Item]) -> list[Scenario]:
    """The scenarios that tests of this session will ask for."""
    names = {item.name.partition("[")[2].rstrip("]").removeprefix("temporal-") for item in items}
    return [scenario for scenario in ALL if scenario.name in names]
