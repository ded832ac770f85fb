"""The result of a run as text, also where it cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from moose_lib.cli.output import Output
from moose_lib.cli.waiting import result_lines, told_result
from moose_lib.errors import RunFailed
from moose_lib.operations.records import RunState, RunStatus

ENDED = RunStatus(
    name="Order",
    workflow_id="Order-1",
    run_id="r1",
    first_run_id="r1",
    state=RunState.COMPLETED,
    started=datetime(2026, 11, 22, 12, tzinfo=UTC),
    duration=timedelta(seconds=1),
    result_fault="a value cannot be read: .moose/values/ab is not there",
)


def test_a_result_that_is_not_on_this_machine_is_said_to_be_elsewhere() -> None:
    """At the end of a run that was waited for it is a line; asked for alone, it is an error."""
    with pytest.raises(RunFailed) as raised:
        told_result(Output(), ENDED)

    assert str(raised.value) == f"run 'Order-1' has a result that cannot be read: {ENDED.result_fault}"
    assert raised.value.exit_code == 1
    assert result_lines(ENDED) == [f"The result cannot be shown: {ENDED.result_fault}"]
