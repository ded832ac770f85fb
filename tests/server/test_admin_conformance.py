"""The admin API keeps to its own OpenAPI document, over real HTTP and on a real Temporal, with runs that are there."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from schemathesis import GenerationMode
from temporalio.client import Client
from tests.integration.conftest import client as client  # the session's server
from tests.integration.conftest import engine_settings as engine_settings
from tests.integration.conftest import free_port
from tests.integration.conftest import temporal_port as temporal_port
from tests.integration.engine.support import Engine, loaded
from tests.server.here import served
from tests.server.test_conformance import CHECKS, SLOW

from moose_lib import Schedule, Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.schedule_records import Owner
from moose_lib.plan.build import compile_workflow
from moose_lib.project.settings import Settings

EXAMPLES = 8
NOTHING = "nothing"


class Batch(BaseModel):
    rows: int = 1


class Done(BaseModel):
    rows: int


def nightly(*, rows: int) -> Workflow:
    """A workflow whose runs end at once with rows, and without them are open until somebody decides."""

    def load(batch: Batch) -> Done:
        if batch.rows < 1:
            raise ValueError("no rows")
        return Done(rows=batch.rows)

    task = Task[Batch, Done]("load", TaskConfig(run=load, retries=0, on_failure="park"))
    schedule = Schedule(cron="@yearly", input=Batch(rows=rows))
    return Workflow(f"Nightly{uuid.uuid4().hex[:8]}", WorkflowConfig(starting_task=task, schedule=schedule))


@asynccontextmanager
async def serving(settings: Settings, *workflows: Workflow) -> AsyncGenerator[str]:
    """The server of these workflows in this process, on a port of its own; yields its address."""
    port = free_port()
    server = settings.server.model_copy(update={"port": port, "management_port": free_port()})
    async with served(loaded(settings.model_copy(update={"server": server}), *workflows)):
        yield f"http://127.0.0.1:{port}"


def ask_for_all(base: str, names: Sequence[str], runs: Sequence[str]) -> dict[str, set[int]]:
    """Ask each operation for what is there and for what is not, with wanted and with unwanted bodies and queries.

    Answers which status each of them has answered; any that the document does not name fails.
    """
    loader: Any = schemathesis.openapi  # Any: their types are generic in what they do not say
    seen = defaultdict[str, set[int]](set)
    there = {"name": st.sampled_from([*names, NOTHING]), "run": st.sampled_from([*runs, NOTHING])}
    for found in loader.from_url(f"{base}/openapi.json").include(tag="admin").get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode), parts=st.fixed_dictionaries(there))
            @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW, database=None, derandomize=True)
            def ask(case: Any, parts: dict[str, str]) -> None:  # Any: as above
                case.path_parameters.update({key: parts[key] for key in parts if key in case.path_parameters})
                answer = case.call()
                seen[f"{operation.method} {operation.path}"].add(answer.status_code)  # noqa: B023  # called at once
                case.validate_response(answer, checks=CHECKS)

            ask()
    return seen


async def test_every_answer_of_the_admin_api_is_one_that_the_document_names(
    client: Client, engine_settings: Settings, tmp_path: Path
) -> None:
    """Not one 500; and what was asked for was there, or the test would see refusals only."""
    temporal = engine_settings.temporal.model_copy(update={"task_queue": f"queue-{uuid.uuid4().hex[:8]}"})
    engine = Engine(client, engine_settings.model_copy(update={"root": tmp_path, "temporal": temporal}))
    quick, parking = nightly(rows=3), nightly(rows=0)
    plans = {workflow.name: compile_workflow(workflow) for workflow in (quick, parking)}
    await reconcile(client, plans, Owner(project="shop", task_queue=temporal.task_queue), removes=False)
    async with (
        engine.worker(quick, parking),
        serving(engine.settings, quick, parking) as base,
        httpx2.AsyncClient(base_url=base, timeout=60) as http,
    ):
        runs = list[str]()
        for name, rows in ((quick.name, 3), (parking.name, 0), (parking.name, 0)):
            answer = await http.post(f"/admin/workflows/{name}/trigger", json={"rows": rows})
            runs.append(answer.json()["workflow_id"])
        seen = await asyncio.to_thread(ask_for_all, base, list(plans), runs)
    await reconcile(client, {}, Owner(project="shop", task_queue=temporal.task_queue), removes=True)

    assert not any(status >= 500 for found in seen.values() for status in found), seen
    everything = {status for found in seen.values() for status in found}
    assert {200, 202, 400, 404, 409} <= everything, seen
