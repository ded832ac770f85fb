"""The declarations: tasks and workflows, tables and endpoints, and their configuration."""

from typing import TYPE_CHECKING

from moose_lib.absent import missing_name
from moose_lib.dmv2.ingest import (
    IngestApi,
    IngestConfig,
    IngestConfigWithDestination,
    IngestPipeline,
    IngestPipelineConfig,
)
from moose_lib.dmv2.olap import InsertOptions, Key, LifeCycle, OlapConfig, OlapTable
from moose_lib.dmv2.outcome import RunOutcome
from moose_lib.dmv2.registry import (
    get_ingest_api,
    get_ingest_apis,
    get_stream,
    get_streams,
    get_table,
    get_tables,
    get_workflow,
    get_workflows,
)
from moose_lib.dmv2.retry_later import RetryLater
from moose_lib.dmv2.schedule import Schedule
from moose_lib.dmv2.streams import DeadLetterModel, DeadLetterQueue, Stream, StreamConfig
from moose_lib.dmv2.workflow import RunInfo, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

__all__ = [
    "DeadLetterModel",
    "DeadLetterQueue",
    "IngestApi",
    "IngestConfig",
    "IngestConfigWithDestination",
    "IngestPipeline",
    "IngestPipelineConfig",
    "InsertOptions",
    "Key",
    "LifeCycle",
    "OlapConfig",
    "OlapTable",
    "RetryLater",
    "RunInfo",
    "RunOutcome",
    "Schedule",
    "Stream",
    "StreamConfig",
    "Task",
    "TaskConfig",
    "TaskContext",
    "Workflow",
    "WorkflowConfig",
    "get_ingest_api",
    "get_ingest_apis",
    "get_stream",
    "get_streams",
    "get_table",
    "get_tables",
    "get_workflow",
    "get_workflows",
]

if not TYPE_CHECKING:  # type checkers would take any name from a module that has __getattr__

    def __getattr__(name: str) -> object:
        """Say of a name that is not here what there is instead."""
        raise missing_name(__name__, name)
