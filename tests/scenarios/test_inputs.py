"""A wrong input is refused at once and names the field, here and on Temporal."""

from __future__ import annotations

import json

import pytest
from temporalio.client import WorkflowFailureError
from tests.scenarios.inputs import DELIVERIES, REFUSED
from tests.scenarios.runners import TemporalRunner

from moose_lib.engine import wire
from moose_lib.engine.failures import FailureDetail, read_failure
from moose_lib.errors import InvalidInput
from moose_lib.testing import run_local


@pytest.mark.parametrize("data", REFUSED, ids=bytes.decode)
def test_the_local_runner_refuses_it(data: bytes) -> None:
    with pytest.raises(InvalidInput) as raised:
        run_local(DELIVERIES, data)
    assert raised.value.faults[0].path == REFUSED[data]


@pytest.mark.parametrize("data", [b"", b"{", b"{'day': 1}"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    """An empty input is no input, and this task needs one."""
    with pytest.raises(InvalidInput):
        run_local(DELIVERIES, data)


async def test_a_run_that_somebody_else_starts_fails_for_the_same_reason(temporal_runner: TemporalRunner) -> None:
    """Temporal's own clients check nothing: the run fails in its first, recorded step, and no task has started."""
    for data, path in REFUSED.items():
        with pytest.raises(InvalidInput) as here:
            run_local(DELIVERIES, data)
        there = await _refusal(temporal_runner, data)
        assert there.class_name.rpartition(".")[2] == "InvalidInput"
        assert there.message == str(here.value)
        assert there.faults[0].path == path
        assert there.task is None


async def test_a_run_that_somebody_else_starts_with_a_good_input_completes(temporal_runner: TemporalRunner) -> None:
    value = await temporal_runner.start_bare(
        DELIVERIES.name, wire.json_value(b'{"day": "2026-02-01", "items": [{"sku": "a", "count": 1}]}')
    )
    assert json.loads(value.payload.data) is None


async def _refusal(runner: TemporalRunner, data: bytes) -> FailureDetail:
    with pytest.raises(WorkflowFailureError) as raised:
        await runner.start_bare(DELIVERIES.name, wire.json_value(data))
    cause: BaseException | None = raised.value.cause
    assert cause is not None
    return read_failure(cause)
