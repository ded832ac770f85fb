"""The Moose side: the product's own worker process (`moose-cli worker`), and runs started by its own operations."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from temporalio.client import Client
from temporalio.common import RawValue

from moose_lib.engine.connection import connect
from moose_lib.engine.wire import json_of
from moose_lib.operations.runs import start_run
from moose_lib.project.loader import LoadedProject, find_project, load_project

GRAPHS = Path(__file__).with_name("graphs.py")
TASK_QUEUE = "moose"

Result = TypeVar("Result", bound=BaseModel)


@dataclass(frozen=True)
class WithMoose:
    """Starts runs of the workflows in `graphs.py`."""

    client: Client
    project: LoadedProject

    @classmethod
    async def connect(cls, address: str) -> "WithMoose":
        overrides = {"temporal_config.address": address, "temporal_config.task_queue": TASK_QUEUE}
        project = load_project(find_project(Path.cwd(), GRAPHS, overrides=overrides))
        return cls(await connect(project.project.settings), project)

    async def run(self, name: str, workflow_id: str, run_input: BaseModel, result: type[Result]) -> Result:
        started = await start_run(
            self.client,
            self.project.plans[name],
            run_input.model_dump_json().encode(),
            task_queue=TASK_QUEUE,
            workflow_id=workflow_id,
        )
        handle = self.client.get_workflow_handle(started.workflow_id, run_id=started.run_id, result_type=RawValue)
        return result.model_validate_json(json_of(await handle.result()) or b"null")


def worker_command(ready: int) -> list[str]:
    """The command of a worker that says so on the descriptor `ready` once it polls."""
    return [sys.executable, "-m", "moose_lib.cli", "worker", str(GRAPHS), "--ready-fd", str(ready)]


def worker_environment(address: str) -> dict[str, str]:
    return {
        **os.environ,
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": address,
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": TASK_QUEUE,
        "MOOSE_LOGGER__LEVEL": "warning",
    }
