"""Runs recorded with earlier versions of the interpreter go on with this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from moose_lib.engine.payloads import converter_for
from moose_lib.engine.workflow import Interpreter

HISTORIES = sorted(Path(__file__).with_name("histories").glob("*.json"))


def replayer(directory: Path) -> Replayer:
    return Replayer(
        workflows=[Interpreter],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=converter_for(directory),
    )


def text_of(file: Path) -> str:
    return file.read_text()


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path, tmp_path: Path) -> None:
    """The interpreter decides again exactly what it decided when the history was recorded."""
    history = WorkflowHistory.from_json("recorded", text_of(file))
    await replayer(tmp_path).replay_workflow(history)


def test_the_histories_cover_what_the_interpreter_does() -> None:
    """The ways for a run to go: through, in parallel, failing, retried, canceled, continued, without a plan, hooked."""
    names = {file.stem.partition(".")[0] for file in HISTORIES}
    assert names >= {
        "Canceled",
        "Chain",
        "Continued",
        "Diamond",
        "FailingBranch",
        "Foreign",
        "GivenUp",
        "Limited",
        "Parked",
        "ParkedContinued",
        "Paused",
        "Resumed",
        "Retried",
        "ToldOfFailure",
        "ToldOfSuccess",
        "TwoEnds",
    }


async def test_a_history_of_another_decision_is_refused(tmp_path: Path) -> None:
    """The check can fail: a history in which another task follows is found out."""
    [file] = [file for file in HISTORIES if file.stem == "Chain.1"]
    recorded = json.loads(text_of(file))
    for event in recorded["events"]:
        attributes = event.get("activityTaskScheduledEventAttributes", {})
        if attributes.get("activityId") == "t1":
            attributes["activityId"] = attributes["activityType"]["name"] = "other"
    history = WorkflowHistory.from_json("changed", json.dumps(recorded))
    with pytest.raises(NondeterminismError):
        await replayer(tmp_path).replay_workflow(history)
