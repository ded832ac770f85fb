"""What a run came to, as its hooks are told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class OutcomeError(BaseModel):
    """Why the run failed: the first task that failed and the exception of its last attempt.

    `class_name` is the exception's class with its module, `attempts` how many attempts the task had.
    """

    model_config = ConfigDict(frozen=True)

    task: str | None
    class_name: str
    message: str
    traceback: str | None = None
    attempts: int = 1

    def __str__(self) -> str:
        """`ValueError: bad`, as Python writes it."""
        name = self.class_name.rpartition(".")[2]
        return f"{name}: {self.message}" if self.message else name


class RunOutcome(BaseModel):
    """What a run came to: the input of the tasks in `WorkflowConfig(on_success=…, on_failure=…)`.

    `result` is the run's result as JSON gives it (dicts, lists, texts, numbers), `None` after a failure; `error` is
    `None` after a success.

    Example:
        def tell(outcome: RunOutcome) -> None:
            send_mail(f"{outcome.workflow_id} {outcome.status}: {outcome.error}")
    """

    model_config = ConfigDict(frozen=True)

    workflow: str
    workflow_id: str
    run_id: str
    status: Literal["completed", "failed"]
    result: Any = None  # Any: JSON, which the user looks into without casts
    error: OutcomeError | None = None
