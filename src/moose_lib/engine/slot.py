"""The time that a run of a schedule stands for: recorded by Temporal, and part of the run's workflow id."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from temporalio.common import SearchAttributeKey, TypedSearchAttributes

_RECORDED: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


def scheduled_base_id(workflow: str) -> str:
    """The workflow id of a schedule's runs, to which Temporal adds `-<time>`."""
    return f"{workflow}-scheduled"


def scheduled_time(workflow: str, workflow_id: str, attributes: TypedSearchAttributes) -> datetime | None:
    """When a run was due, `None` for one that no schedule started.

    A run that was resumed has the same workflow id, but not what Temporal had recorded.

    Example:
        >>> scheduled_time("Nightly", "Nightly-scheduled-2027-01-02T00:00:00Z", TypedSearchAttributes.empty)
        datetime.datetime(2027, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """
    recorded = attributes.get(_RECORDED)
    if recorded is not None:
        return recorded
    prefix = f"{scheduled_base_id(workflow)}-"
    if not workflow_id.startswith(prefix):
        return None
    try:
        time = datetime.fromisoformat(workflow_id.removeprefix(prefix))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
