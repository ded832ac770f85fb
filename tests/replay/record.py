"""Record histories of the interpreter as it is now: `python -m tests.replay.record`.

Do so before a change to what it tells Temporal, into files of their own: those already there stay as they are, as runs
recorded by earlier versions are still open somewhere. `--again` records all anew, for a version nobody has used yet.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import WorkflowHistory
from tests.integration.conftest import connected, settings_for, temporal_server
from tests.integration.engine.support import Engine, Handle, until
from tests.replay import workflows
from tests.replay.held import record_held

from moose_lib.dmv2.workflow import Workflow
from moose_lib.engine import wire

HISTORIES = Path(__file__).with_name("histories")
_ROOT = f"{Path(__file__).resolve().parents[2]}/"


async def record(engine: Engine, *, again: bool) -> None:
    """Run every workflow and write the histories that are not there."""
    await _ended(engine, workflows.chain(), again=again)
    await _ended(engine, workflows.diamond(), again=again)
    await _ended(engine, workflows.two_ends(), again=again)
    await _ended(engine, workflows.failing_branch(), again=again)
    await _ended(engine, workflows.retried(), again=again)
    await _ended(engine, workflows.chain("Continued", 12), again=again)
    await _ended(engine, workflows.limited(), again=again)
    await _ended(engine, workflows.told_of_success(), again=again)
    await _ended(engine, workflows.told_of_failure(), again=again)
    await _canceled(engine, workflows.canceled(), again=again)
    await _foreign(engine, workflows.chain("Foreign"), again=again)
    await record_held(engine, lambda handle, name: _write(engine, handle, name, again=again))


async def _ended(engine: Engine, workflow: Workflow, *, again: bool) -> None:
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await _write(engine, handle, workflow.name, again=again)


async def _canceled(engine: Engine, workflow: Workflow, *, again: bool) -> None:
    async with engine.worker(workflow):
        handle = await engine.start(workflow, {"value": 1})
        await until(lambda: _is_running(handle))
        await handle.cancel()
        await _write(engine, handle, workflow.name, again=again)


async def _is_running(handle: Handle) -> bool:
    return bool((await handle.describe()).raw_description.pending_activities)


async def _foreign(engine: Engine, workflow: Workflow, *, again: bool) -> None:
    async with engine.worker(workflow):
        await _write(engine, await engine.start_foreign(workflow.name), workflow.name, again=again)


async def _write(engine: Engine, handle: Handle, name: str, *, again: bool) -> None:
    """Write the history of each life of a run, once it has ended."""
    run_id, life = handle.first_execution_run_id, 0
    while run_id:
        part = engine.client.get_workflow_handle(handle.id, run_id=run_id)
        events = [event async for event in part.fetch_history_events(wait_new_event=True)]
        continued = events[-1].workflow_execution_continued_as_new_event_attributes
        failed = events[-1].workflow_execution_failed_event_attributes
        life += 1
        file = HISTORIES / f"{name}.{life}.json"
        if again or not file.exists():
            for event in events:
                _scrub(event)
            file.write_text(WorkflowHistory(workflow_id=name, events=events).to_json() + "\n")
            print(file.name, len(events), "events")
        run_id = continued.new_execution_run_id or failed.new_execution_run_id


def _scrub(message: Message) -> None:
    """Take out what is only about the machine that recorded."""
    if isinstance(message, Payload):
        message.data = _scrubbed(message.data).replace(_ROOT.encode(), b"")
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING and isinstance(value, str):
            setattr(message, field.name, value.replace(_ROOT, "").replace(socket.gethostname(), "host"))
        elif field.type == field.TYPE_MESSAGE:
            for part in _parts(value):
                _scrub(part)


def _scrubbed(data: bytes) -> bytes:
    """The same without traces in the failures that a long run hands on, which are encoded once more."""
    envelope = wire.read_envelope(data)
    if envelope is None or envelope.frontier is None:
        return data
    frontier = envelope.frontier
    parked = {name: _scrubbed_failure(text) for name, text in frontier.parked.items()}
    clean = frontier.model_copy(update={"parked": parked, "failure": _scrubbed_failure(frontier.failure)})
    return envelope.model_copy(update={"frontier": clean}).model_dump_json().encode()


def _scrubbed_failure(text: str | None) -> str | None:
    if text is None:
        return None
    failure = Failure.FromString(base64.b64decode(text))
    _scrub(failure)
    return base64.b64encode(failure.SerializeToString(deterministic=True)).decode()


def _parts(value: Any) -> Sequence[Message]:  # Any: a message, a list of them, or a map to them
    if isinstance(value, Message):
        return [value]
    items = [value[key] for key in value] if hasattr(value, "keys") else list(value)
    return [item for item in items if isinstance(item, Message)]


async def main() -> None:
    """Record on a server of its own, whose histories are short."""
    HISTORIES.mkdir(exist_ok=True)
    with temporal_server(["limit.historyCount.suggestContinueAsNew=40"]) as port, tempfile.TemporaryDirectory() as root:
        settings = settings_for(port, Path(root), "recording")
        await record(Engine(await connected(settings), settings), again="--again" in sys.argv[1:])


if __name__ == "__main__":
    asyncio.run(main())
