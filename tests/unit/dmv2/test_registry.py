"""Looking up what is declared."""

from __future__ import annotations

from pydantic import BaseModel

import moose_lib
from moose_lib import (
    IngestPipeline,
    IngestPipelineConfig,
    Task,
    TaskConfig,
    Workflow,
    WorkflowConfig,
    dmv2,
    get_ingest_api,
    get_ingest_apis,
    get_stream,
    get_streams,
    get_table,
    get_tables,
    get_workflow,
    get_workflows,
)
from moose_lib.dmv2 import registry
from moose_lib.dmv2._registry import _workflows


class Find(BaseModel):
    user_id: str


def test_what_is_declared_is_found_by_name() -> None:
    """From `moose_lib`, `moose_lib.dmv2` and `moose_lib.dmv2.registry`; the plural has the live dictionary."""
    pipeline = IngestPipeline[Find]("Finds", IngestPipelineConfig(version="1.2"))
    workflow = Workflow("W", WorkflowConfig(starting_task=Task[None, None]("t", TaskConfig(run=lambda: None))))

    assert moose_lib.get_table("Finds_1_2") is pipeline.table
    assert moose_lib.get_stream("Finds_1_2") is pipeline.stream
    assert registry.get_ingest_api("Finds_1_2") is pipeline.ingest_api
    assert dmv2.get_workflow("W") is workflow
    assert [get("Nobody") for get in (get_table, get_stream, get_ingest_api, get_workflow)] == [None] * 4
    assert get_workflows() is _workflows
    assert get_tables()["Finds_1_2"] is pipeline.table
    assert get_ingest_apis()["Finds_1_2"] is pipeline.ingest_api
    assert get_streams().keys() >= {"FindsDeadLetterQueue_1_2", "Finds_1_2"}
