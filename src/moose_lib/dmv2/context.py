"""What a handler is given beside its input, and what handlers may look like."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias

from pydantic import BaseModel
from typing_extensions import TypeVar

from moose_lib.dmv2.deliveries import Deliveries

In = TypeVar("In", bound=BaseModel | None, default=Any)
Out = TypeVar("Out", bound=BaseModel | None, default=Any)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Which attempt of which task of which run a handler is working for.

    `attempt` counts from 1. `scheduled_time` is the time that a run of a schedule stands for, also when it started
    late or was backfilled; `None` for a run that somebody else started. `deliveries` is `moose_lib.ingest`'s own.
    """

    workflow: str
    workflow_id: str
    run_id: str
    task: str
    attempt: int
    scheduled_time: datetime | None = None
    deliveries: Deliveries = field(default_factory=Deliveries, repr=False, compare=False)


@dataclass(kw_only=True)
class TaskContext(Generic[In]):
    """What a handler can ask for instead of its bare input.

    `input` is the validated input (`None` for a task without one). `state` is a fresh dict for each attempt that `run`
    shares with `on_cancel`; it is not durable. `logger` writes with the run, task and attempt attached.

    Example:
        async def charge(ctx: TaskContext[Order]) -> Receipt:
            ctx.logger.info("charging", extra={"order": ctx.input.order_id})
    """

    input: In
    run: RunInfo
    logger: logging.LoggerAdapter[logging.Logger]
    state: dict[str, Any] = field(default_factory=dict)  # Any: users keep what they like in it


Handler: TypeAlias = (
    Callable[[In], Awaitable[Out]]
    | Callable[[TaskContext[In]], Awaitable[Out]]
    | Callable[[], Awaitable[Out]]
    | Callable[[In], Out]
    | Callable[[TaskContext[In]], Out]
    | Callable[[], Out]
)
CancelHandler: TypeAlias = Callable[[TaskContext[In]], Awaitable[None]] | Callable[[TaskContext[In]], None]
