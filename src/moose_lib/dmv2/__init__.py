"""The declarations: tasks and workflows, tables and endpoints, and their configuration."""

from moose_lib.dmv2.ingest import (
    IngestApi,
    IngestConfig,
    IngestConfigWithDestination,
    IngestPipeline,
    IngestPipelineConfig,
)
from moose_lib.dmv2.olap import Key, LifeCycle, OlapConfig, OlapTable
from moose_lib.dmv2.outcome import RunOutcome
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
]
