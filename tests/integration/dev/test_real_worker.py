"""The same with the worker users get: runs go through saves, crashes and restarts."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from typing import TYPE_CHECKING

from tests.integration.dev.harness import kill, project_in, reread, session

from moose_lib.dev.events import CodeRefused, DevReady, ProcessReady, Reloaded
from moose_lib.dev.temporal import find_binary

if TYPE_CHECKING:
    from pathlib import Path

FLOW = """
import asyncio
from pathlib import Path

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

GO = Path(__file__).with_name("go")


class Answer(BaseModel):
    version: str


async def ask() -> Answer:
    print("asked VERSION", flush=True)
    while not GO.exists():
        await asyncio.sleep(0.02)
    return Answer(version="VERSION")


asking = Task[None, Answer](name="ask", config=TaskConfig(run=ask))
flow = Workflow(name="flow", config=WorkflowConfig(starting_task=asking))
"""


def flow(version: str) -> str:
    return FLOW.replace("VERSION", version)


async def temporal(address: str | None, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        find_binary(), *arguments, "--address", str(address), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def start(address: str | None, workflow_id: str) -> None:
    options = ("--type", "flow", "--task-queue", "moose", "--workflow-id", workflow_id)
    await temporal(address, "workflow", "start", *options)


async def result(address: str | None, workflow_id: str) -> object:
    answer = await temporal(address, "workflow", "result", "--workflow-id", workflow_id, "--output", "json")
    found = json.loads(answer)["result"]
    # An output with metadata, as of an attempt that was handed over, is shown as it is stored.
    return json.loads(base64.b64decode(found["data"])) if "data" in found else found


async def test_a_running_task_ends_on_its_code_and_the_next_has_the_new(tmp_path: Path) -> None:
    project = project_in(tmp_path, flow("old"))
    async with session(project, is_real=True) as dev:
        facts = (await dev.next(DevReady)).facts
        assert facts.workflows == ("flow",)
        await start(facts.temporal_address, "first")
        await dev.line("asked old")
        project.entry.write_text(flow("new"))
        assert (await dev.next(Reloaded)).workflows == ("flow",)
        await start(facts.temporal_address, "second")
        await dev.line("asked new")
        (tmp_path / "go").touch()

        assert await result(facts.temporal_address, "first") == {"version": "old"}
        assert await result(facts.temporal_address, "second") == {"version": "new"}


async def test_code_that_does_not_import_is_shown_with_its_traceback(tmp_path: Path) -> None:
    project = project_in(tmp_path, flow("old"))
    async with session(project, is_real=True) as dev:
        worker = (await dev.next(DevReady)).facts.worker_pid
        project.entry.write_text("\n\nraise RuntimeError('on purpose')\n")

        refused = await dev.next(CodeRefused)
        assert refused.serving == worker
        assert f'File "{project.entry}", line 3' in refused.text
        assert "RuntimeError: on purpose" in refused.text


async def test_a_run_outlives_a_killed_worker_and_a_killed_temporal(tmp_path: Path) -> None:
    """Both come back, and the run ends; the lost attempt is noticed by its missing heartbeat."""
    async with session(project_in(tmp_path, flow("old")), is_real=True) as dev:
        facts = (await dev.next(DevReady)).facts
        assert facts.temporal_pid is not None
        assert facts.worker_pid is not None
        (tmp_path / "go").touch()
        kill(facts.temporal_pid, signal.SIGKILL)
        await dev.next(ProcessReady, lambda ready: ready.source == "temporal")
        kill(facts.worker_pid, signal.SIGKILL)
        await dev.next(ProcessReady, lambda ready: ready.source == "worker")
        await start(facts.temporal_address, "first")

        assert await result(facts.temporal_address, "first") == {"version": "old"}


async def test_a_run_goes_on_in_the_next_session(tmp_path: Path) -> None:
    config = '[dev]\nstop_grace_period = "50ms"\n[worker]\ngrace_period = "50ms"\n'
    async with session(project_in(tmp_path, flow("old"), config), is_real=True) as dev:
        facts = (await dev.next(DevReady)).facts
        await start(facts.temporal_address, "first")
        await dev.line("asked old")

    (tmp_path / "go").touch()
    async with session(reread(tmp_path), is_real=True) as dev:
        address = (await dev.next(DevReady)).facts.temporal_address

        assert await result(address, "first") == {"version": "old"}
