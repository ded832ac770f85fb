"""The result of a run, from the outputs of its last tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping

from moose_lib.dmv2.outcome import RunOutcome
from moose_lib.plan.model import Plan


def combine(plan: Plan, outputs: Mapping[str, bytes]) -> bytes:
    """JSON of the result: the output of the last task, or an object of the last tasks' outputs by name.

    `outputs` has the JSON of each last task's output; the texts are put together without being parsed.
    """
    if len(plan.last_tasks) == 1:
        return outputs[plan.last_tasks[0]]
    return json_object({name: outputs[name] for name in plan.last_tasks})


def outcome_json(outcome: RunOutcome, result: bytes | None) -> bytes:
    """JSON of what a hook is told; the `result` of the run is put in as it is."""
    rest = outcome.model_dump_json(exclude={"result"}).encode()
    return rest[:-1] + b',"result":' + (b"null" if result is None else result) + b"}"


def json_object(members: Mapping[str, bytes]) -> bytes:
    """A JSON object from members that are JSON already."""
    return b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in members.items()) + b"}"


def json_list(items: tuple[bytes, ...]) -> bytes:
    """A JSON array from items that are JSON already."""
    return b"[" + b",".join(items) + b"]"
