"""Which run, task and attempt a line was written for."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any

from moose_lib.dmv2.workflow import RunInfo

#: The attempt the current handler works for; whoever captures users' prints and logs finds it here.
current_run: ContextVar[RunInfo | None] = ContextVar("current_run", default=None)

_users_logger = logging.getLogger("moose.task")


def silence_sdk(record: logging.LogRecord) -> bool:
    """Filter the SDK's own word on a failed attempt: ours has the user's traceback instead of ours and Temporal's."""
    return record.__dict__.get("__temporal_error_identifier") != "ActivityFailure"


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """`ctx.logger`: adds workflow, workflow_id, run_id, task and attempt to what the user passes as `extra`."""

    def __init__(self, run: RunInfo) -> None:
        super().__init__(_users_logger, asdict(run))

    def process(
        self,
        msg: Any,
        kwargs: MutableMapping[str, Any],  # Any: logging's own signature
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run's fields; where a name is taken the user's value stays."""
        kwargs["extra"] = dict(self.extra or {}) | dict(kwargs.get("extra") or {})
        return msg, kwargs
