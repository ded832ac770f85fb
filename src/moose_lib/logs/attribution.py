"""Which run, task and attempt a line was written for."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

from moose_lib.dmv2.workflow import RunInfo

__all__ = ["FIELDS", "TASK_LOGGER", "TaskLogger", "current_run", "run_of"]

#: The attempt the current handler works for.
current_run: ContextVar[RunInfo | None] = ContextVar("current_run", default=None)

#: The logger behind `ctx.logger`.
TASK_LOGGER: Final = "moose.task"
#: What names an attempt, in a record and in a line on disk.
FIELDS: Final = ("workflow", "workflow_id", "run_id", "task", "attempt")


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """`ctx.logger`: adds workflow, workflow_id, run_id, task and attempt to what the user passes as `extra`."""

    def __init__(self, run: RunInfo) -> None:
        super().__init__(logging.getLogger(TASK_LOGGER), {name: getattr(run, name) for name in FIELDS})

    def process(
        self,
        msg: Any,  # Any: logging's own signature
        kwargs: MutableMapping[str, Any],  # Any: as above
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run's fields; where a name is taken the user's value stays."""
        kwargs["extra"] = dict(self.extra or {}) | dict(kwargs.get("extra") or {})
        return msg, kwargs


def run_of(record: logging.LogRecord) -> RunInfo | None:
    """Return the attempt a record belongs to: the one that runs here, or the one whose `ctx.logger` wrote it."""
    run = current_run.get()
    if run is not None or not all(hasattr(record, name) for name in FIELDS):
        return run
    return RunInfo(**{name: getattr(record, name) for name in FIELDS})
