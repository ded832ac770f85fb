"""The declarations: tasks, workflows and their configuration."""

from moose_lib.dmv2.workflow import RunInfo, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

__all__ = ["RunInfo", "Task", "TaskConfig", "TaskContext", "Workflow", "WorkflowConfig"]
