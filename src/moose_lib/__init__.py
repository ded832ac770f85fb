"""Typed workflows in plain Python that run durably on Temporal.

Importing this loads nothing: no Temporal, no server, no command line, and the declarations when they are first used.
"""

from typing import TYPE_CHECKING

__all__ = [
    "DeadLetterModel",
    "DeadLetterQueue",
    "IngestApi",
    "IngestConfig",
    "IngestConfigWithDestination",
    "IngestPipeline",
    "IngestPipelineConfig",
    "IngestResult",
    "InsertOptions",
    "InvalidDefinition",
    "Key",
    "LifeCycle",
    "MooseError",
    "NonRetryableError",
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
    "WorkflowClient",
    "WorkflowConfig",
    "get_ingest_api",
    "get_ingest_apis",
    "get_stream",
    "get_streams",
    "get_table",
    "get_tables",
    "get_workflow",
    "get_workflows",
    "ingest",
    "ingest_sync",
]

if TYPE_CHECKING:
    from moose_lib.dmv2 import (
        DeadLetterModel,
        DeadLetterQueue,
        IngestApi,
        IngestConfig,
        IngestConfigWithDestination,
        IngestPipeline,
        IngestPipelineConfig,
        InsertOptions,
        Key,
        LifeCycle,
        OlapConfig,
        OlapTable,
        RetryLater,
        RunInfo,
        RunOutcome,
        Schedule,
        Stream,
        StreamConfig,
        Task,
        TaskConfig,
        TaskContext,
        Workflow,
        WorkflowConfig,
        get_ingest_api,
        get_ingest_apis,
        get_stream,
        get_streams,
        get_table,
        get_tables,
        get_workflow,
        get_workflows,
    )
    from moose_lib.dmv2.deliveries import IngestResult
    from moose_lib.errors import InvalidDefinition, MooseError, NonRetryableError
    from moose_lib.ingest.client import ingest, ingest_sync
    from moose_lib.operations.workflow_client import WorkflowClient
else:  # type checkers would take any name from a module that has __getattr__
    _ELSEWHERE = {
        "IngestResult": "moose_lib.dmv2.deliveries",
        "InvalidDefinition": "moose_lib.errors",
        "MooseError": "moose_lib.errors",
        "NonRetryableError": "moose_lib.errors",
        "WorkflowClient": "moose_lib.operations.workflow_client",
        "ingest_sync": "moose_lib.ingest.client",
    }

    def __getattr__(name: str) -> object:
        """Load a public name where it is declared; commands that need none start in half the time."""
        from importlib import import_module

        if name not in __all__:
            raise import_module("moose_lib.absent").missing_name(__name__, name)

        if name == "ingest":
            return import_module("moose_lib.ingest")  # a package that can be called, as its name is taken
        return getattr(import_module(_ELSEWHERE.get(name, "moose_lib.dmv2")), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
