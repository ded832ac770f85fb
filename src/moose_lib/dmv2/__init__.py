"""The declarations: tasks, workflows and their configuration."""

from moose_lib.dmv2.outcome import RunOutcome
from moose_lib.dmv2.retry_later import RetryLater
from moose_lib.dmv2.schedule import Schedule
from moose_lib.dmv2.workflow import RunInfo, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

__all__ = [
    "RetryLater",
    "RunInfo",
    "RunOutcome",
    "Schedule",
    "Task",
    "TaskConfig",
    "TaskContext",
    "Workflow",
    "WorkflowConfig",
]
