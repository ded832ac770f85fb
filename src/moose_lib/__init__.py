"""Typed workflows in plain Python that run durably on Temporal.

Importing this loads the declarations only: no Temporal, no server, no command line.
"""

from moose_lib.dmv2 import RunInfo, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.errors import InvalidDefinition, MooseError, NonRetryableError

__all__ = [
    "InvalidDefinition",
    "MooseError",
    "NonRetryableError",
    "RunInfo",
    "Task",
    "TaskConfig",
    "TaskContext",
    "Workflow",
    "WorkflowConfig",
]
