"""What people told a run, read from Temporal's signals: pauses, and decisions about parked tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from moose_lib.engine import wire
from moose_lib.errors import MooseError
from moose_lib.operations.events import Decided, Paused
from moose_lib.operations.payloads import read_json
from moose_lib.operations.records import Decision

__all__ = ["read_order", "read_signal"]

_DECISIONS = {
    wire.SIGNAL_RETRY: Decision.RETRY,
    wire.SIGNAL_SKIP: Decision.SKIP,
    wire.SIGNAL_FAIL: Decision.FAIL,
}


async def read_signal(converter: DataConverter, event: HistoryEvent, *, with_values: bool) -> Paused | Decided | None:
    """Return what a signal means; None for one that the interpreter ignores as well."""
    signaled = event.workflow_execution_signaled_event_attributes
    name, time = signaled.signal_name, event.event_time.ToDatetime(tzinfo=UTC)
    payloads = signaled.input.payloads
    order = await read_order(converter, payloads)
    reason = None if order is None else order.reason
    if name in {wire.SIGNAL_PAUSE, wire.SIGNAL_UNPAUSE}:
        return Paused(time=time, is_paused=name == wire.SIGNAL_PAUSE, by=signaled.identity or None, note=reason)
    decision = _DECISIONS.get(name)
    if decision is Decision.FAIL:
        return Decided(time=time, decision=decision, reason=reason)
    if decision is None or order is None:
        return None
    if decision is Decision.RETRY:
        return Decided(time=time, decision=decision, task=order.task)
    if len(payloads) > 1 and wire.json_of(RawValue(payloads[1])) is None:  # nor does the interpreter take it
        return None
    output = await _output(converter, payloads, with_values=with_values)
    return Decided(time=time, decision=decision, task=order.task, output=output)


async def read_order(converter: DataConverter, payloads: Sequence[Payload]) -> wire.Order | None:
    """Return the first argument of a signal; None if it is none of ours."""
    return wire.read_order(await read_json(converter, payloads[0])) if payloads else None


async def _output(converter: DataConverter, payloads: Sequence[Payload], *, with_values: bool) -> bytes | None:
    if len(payloads) == 1:
        return b"null"
    try:
        return await read_json(converter, payloads[1]) if with_values else None
    except MooseError:  # a large value that this machine does not have
        return None
