"""The time that a run stands for."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from moose_lib.engine.slot import scheduled_time

TIME = datetime(2027, 1, 2, tzinfo=UTC)
RECORDED = TypedSearchAttributes(
    [SearchAttributePair(SearchAttributeKey.for_datetime("TemporalScheduledStartTime"), TIME)]
)
NOTHING = TypedSearchAttributes.empty


def test_temporal_records_it() -> None:
    assert scheduled_time("W", "anything", RECORDED) == TIME


def test_a_resumed_run_has_it_in_its_id() -> None:
    assert scheduled_time("W", "W-scheduled-2027-01-02T00:00:00Z", NOTHING) == TIME


def test_other_runs_have_none() -> None:
    for workflow_id in ("W-1f0c", "W-scheduled-", "W-scheduled-soon", "W-scheduled-2027-01-02", "V-scheduled-2027"):
        assert scheduled_time("W", workflow_id, NOTHING) is None
