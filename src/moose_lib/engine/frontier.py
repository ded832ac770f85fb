"""What a long run hands to its continuation: which tasks are over, the outputs still needed, and the first failure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import FailureError

from moose_lib.engine import wire
from moose_lib.engine.failures import FailureConverter
from moose_lib.engine.packing import pack, unpack
from moose_lib.plan.model import Plan
from moose_lib.plan.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """Where a run goes on: its progress, the outputs it still needs, and why its first failed task failed.

    `parked` are the failures of the parked tasks by name. `begin` are the tasks that a resumed run began with (`None`
    for any other run), and `pinned` those whose outputs a retry of it needs.
    """

    progress: Progress
    outputs: Mapping[str, RawValue]
    failure: BaseException | None = None
    parked: Mapping[str, BaseException | None] = field(default_factory=dict[str, BaseException | None])
    is_paused: bool = False
    is_given_up: bool = False
    reason: str | None = None
    begin: tuple[str, ...] | None = None
    pinned: frozenset[str] = frozenset()


def fresh(plan: Plan) -> Resumed:
    """A run at its begin."""
    return Resumed(progress=Progress(plan), outputs={})


def freeze(resumed: Resumed) -> tuple[wire.Frontier, RawValue]:
    """The frontier of a run in which nothing is running, and the outputs in one payload."""
    progress = resumed.progress
    needed = sorted(progress.needed_outputs | resumed.pinned)
    frontier = wire.Frontier(
        completed=progress.completed,
        failed=progress.failed,
        failure=_encode(resumed.failure),
        parked={name: _encode(failure) for name, failure in resumed.parked.items()},
        outputs=tuple(needed),
        is_paused=resumed.is_paused,
        is_given_up=resumed.is_given_up,
        reason=resumed.reason,
        kept=resumed.begin,
    )
    return frontier, wire.bytes_value(pack(resumed.outputs[name].payload.data for name in needed))


def begin_outputs(plan: Plan, begin: Iterable[str]) -> frozenset[str]:
    """The outputs that a run needs which begins with these tasks completed."""
    return Progress(plan, completed=begin).needed_outputs


def thaw(plan: Plan, frontier: wire.Frontier, outputs: RawValue, converter: PayloadConverter) -> Resumed:
    """Where the continuation of a run goes on."""
    return Resumed(
        progress=Progress(plan, completed=frontier.completed, failed=frontier.failed, parked=frontier.parked),
        outputs=_outputs(frontier, outputs),
        failure=_decode(frontier.failure, converter),
        parked={name: _decode(failure, converter) for name, failure in frontier.parked.items()},
        is_paused=frontier.is_paused,
        is_given_up=frontier.is_given_up,
        reason=frontier.reason,
    )


def restart(plan: Plan, frontier: wire.Frontier, outputs: RawValue) -> Resumed:
    """Where the retry of a resumed run begins: with what it kept, and nothing has failed yet."""
    return Resumed(progress=Progress(plan, completed=frontier.begin), outputs=_outputs(frontier, outputs))


def _outputs(frontier: wire.Frontier, outputs: RawValue) -> dict[str, RawValue]:
    values = map(wire.json_value, unpack(outputs.payload.data))
    return dict(zip(frontier.outputs, values, strict=True))


def _encode(failure: BaseException | None) -> str | None:
    if not isinstance(failure, FailureError) or failure.failure is None:
        return None
    return base64.b64encode(failure.failure.SerializeToString(deterministic=True)).decode()


def _decode(text: str | None, converter: PayloadConverter) -> BaseException | None:
    if text is None:
        return None
    return FailureConverter().from_failure(Failure.FromString(base64.b64decode(text)), converter)
