"""Each test has a task queue of its own on the session's server."""

from __future__ import annotations

import uuid

import pytest
from temporalio.client import Client
from tests.integration.engine.support import Engine
from tests.integration.operations.resuming import Clerk

from moose_lib.project.settings import Settings


@pytest.fixture
def engine(client: Client, engine_settings: Settings) -> Engine:
    temporal = engine_settings.temporal.model_copy(update={"task_queue": f"queue-{uuid.uuid4().hex[:8]}"})
    return Engine(client, engine_settings.model_copy(update={"temporal": temporal}))


@pytest.fixture
def clerk(engine: Engine) -> Clerk:
    return Clerk(engine)
