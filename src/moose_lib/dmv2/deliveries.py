"""What was sent to ingest: the answer, and what one attempt sends, so that it is named the same in every attempt."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import uuid
import weakref
from collections import Counter
from collections.abc import Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """How many records are in the store now, how many the server refused, and how many of those stored were before.

    `repeated` are those that an earlier attempt, or the run that is resumed, had stored already. `set_aside` were not
    stored, as an earlier attempt had sent other records in their place, which count as `stored` and `repeated`: they
    are with the dead letters, and are stored after all if the attempt sends those others, too.
    """

    stored: int = 0
    rejected: int = 0
    repeated: int = 0
    set_aside: int = 0


@dataclass(kw_only=True)
class _Flow:
    """Code of a handler that runs in one order: the handler, or an asyncio task that it has started.

    `path` numbers it: the second task that the handler starts is "2", the first that this one starts "2.1". `runs_in`
    is its asyncio task, or else its thread.
    """

    path: str = ""
    runs_in: object
    started: int = 0
    requests: Counter[str] = field(default_factory=Counter[str])

    def branch(self, task: asyncio.Task[Any]) -> _Flow:  # Any: users' own
        """The flow of the next task that is started in this one."""
        self.started += 1
        return _Flow(path=f"{self.path}.{self.started}".lstrip("."), runs_in=weakref.ref(task))

    @property
    def is_here(self) -> bool:
        """This code belongs to the flow: so does what `async` code hands to a thread, as it waits for that mostly."""
        task = _current_task()
        if task is None and isinstance(self.runs_in, weakref.ref):
            return True
        return self.runs_in == (threading.get_ident() if task is None else weakref.ref(task))


_flow: contextvars.ContextVar[_Flow | None] = contextvars.ContextVar("flow", default=None)


def numbered_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],  # Any: users' own
    *,
    context: contextvars.Context | None = None,
    **options: Any,  # Any: what the version of Python adds
) -> asyncio.Task[Any]:  # Any: as above
    """Make the tasks of a loop on which handlers run, so that what each sends is told apart from what others send.

    To be set by `loop.set_task_factory`. A task with a context of somebody else's has no number: others may be in it.
    """
    own = contextvars.copy_context() if context is None else context
    task = asyncio.Task(coroutine, loop=loop, context=own, **options)
    flow = own.get(_flow)
    if flow is not None and context is None:
        own.run(_flow.set, flow.branch(task))
    return task


def _current_task() -> asyncio.Task[Any] | None:  # Any: as above
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class Deliveries:
    """What one attempt sends; used from its threads and its event loop.

    `origin` is the same for all that may send again what this attempt sends: the id of the run with which the work
    began. `None`: nobody will. `attempt` tells this one from the others.
    """

    _under_way: ClassVar = weakref.WeakSet["Deliveries"]()

    def __init__(self, origin: str | None = None) -> None:
        self.origin = origin
        self.attempt = uuid.uuid4().hex
        self._is_over = False
        self._lock = threading.Lock()
        self._occurrences = Counter[bytes]()
        self._stored = Counter[str]()
        self._set_aside = Counter[str]()

    def begin(self) -> None:
        """The handler begins, in this context: what it sends from here it sends in a known order."""
        if not self._is_over:
            Deliveries._under_way.add(self)
        task = _current_task()
        _flow.set(_Flow(runs_in=threading.get_ident() if task is None else weakref.ref(task)))

    def end(self) -> None:
        """The attempt is over, perhaps before its handler began: in a thread, that may come later."""
        self._is_over = True
        Deliveries._under_way.discard(self)

    @staticmethod
    def are_under_way() -> bool:
        """A handler runs in this process, so that what sends records without knowing a task may belong to it."""
        return bool(Deliveries._under_way)

    def next_place(self, endpoint: str, *, in_tasks: bool = True) -> str | None:
        """What tells a request to an endpoint from the others of the attempt, the same in each: "2", or "3.1, 2".

        `None` where the order is not known: in threads that a `def` handler starts, and in tasks that have no number.
        `in_tasks`: asyncio tasks that the handler has started have places, too.
        """
        flow = _flow.get()
        if flow is None or not flow.is_here or (flow.path and not in_tasks):
            return None
        with self._lock:
            flow.requests[endpoint] += 1
            return f"{flow.path}, {flow.requests[endpoint]}".lstrip(", ")

    def occurrence(self, digest: bytes) -> int:
        """How often content with this digest was sent before, in this attempt."""
        with self._lock:
            self._occurrences[digest] += 1
            return self._occurrences[digest] - 1

    def add(self, endpoint: str, *, stored: int, set_aside: int = 0) -> None:
        """Count records that are in the store, thanks to this attempt or an earlier one, and those that are set aside.

        Negative: fewer than were counted before.
        """
        with self._lock:
            self._stored[endpoint] += stored
            self._set_aside[endpoint] += set_aside

    @property
    def stored(self) -> Mapping[str, int]:
        """Records in the store by endpoint."""
        with self._lock:
            return dict(self._stored)

    @property
    def set_aside(self) -> Mapping[str, int]:
        """Records that are set aside by endpoint; those without any are left out."""
        with self._lock:
            return {endpoint: count for endpoint, count in self._set_aside.items() if count > 0}
