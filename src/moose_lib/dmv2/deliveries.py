"""What was sent to ingest: the answer, and what one attempt sends, so that it is named the same in every attempt."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
import uuid
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class FailedRecord:
    """A record that does not fit its model: its number among those that were given, from 0, and why."""

    index: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """How many records are in the store now, how many do not fit, and how many of those stored were before.

    `rejected` were refused by the server, or left out by `InsertOptions`; `failed_records` has those that were found
    before anything was sent. `repeated` are those that an earlier attempt, or the run that is resumed, had stored
    already. `set_aside` were not stored, as an earlier attempt had sent other records in their place, which count as
    `stored` and `repeated`: they are with the dead letters, and are stored after all if the attempt sends those
    others, too.
    """

    stored: int = 0
    rejected: int = 0
    repeated: int = 0
    set_aside: int = 0
    failed_records: tuple[FailedRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many records a task has sent, by endpoint: what is in the store, was refused, and is set aside."""

    stored: Mapping[str, int] = field(default_factory=dict[str, int])
    rejected: Mapping[str, int] = field(default_factory=dict[str, int])
    set_aside: Mapping[str, int] = field(default_factory=dict[str, int])

    def __bool__(self) -> bool:
        """Anything was sent."""
        return bool(self.stored or self.rejected or self.set_aside)


class _Numbers:
    """Numbers from 0, each taken once: the lowest that is free."""

    def __init__(self) -> None:
        self._next = 0
        self._free = list[int]()

    def take(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        heapq.heappush(self._free, number)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a request is called in its attempt: how often its content was sent before, and its place, if it has one.

    `give_back` lets the next request have both: this one failed, and whoever repeats it means the same.
    """

    occurrence: int
    place: str | None
    give_back: Callable[[], None]


@dataclass(kw_only=True)
class _Flow:
    """Code of a handler that runs in one order: the handler, or an asyncio task that it has started.

    `path` numbers it: the second task that the handler starts is "2", the first that this one starts "2.1". `runs_in`
    is its asyncio task, or else its thread; `is_task`: the handler has started it.
    """

    path: str = ""
    runs_in: object
    is_task: bool = False
    started: int = 0
    requests: defaultdict[str, _Numbers] = field(default_factory=lambda: defaultdict(_Numbers))

    def branch(self, task: asyncio.Task[Any]) -> _Flow:  # Any: users' own
        """The flow of the next task that is started in this one."""
        self.started += 1
        return _Flow(path=f"{self.path}.{self.started}".lstrip("."), runs_in=weakref.ref(task), is_task=True)

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
        self._occurrences: defaultdict[bytes, _Numbers] = defaultdict(_Numbers)
        self._named = set[tuple[str, str]]()
        self._answers = dict[str, tuple[int, int, int]]()
        self._stored = Counter[str]()
        self._rejected = Counter[str]()
        self._set_aside = Counter[str]()

    def begin(self, part: str = "") -> None:
        """The handler begins, in this context: what it sends from here it sends in a known order.

        `part` tells its parts apart, where one runs elsewhere than the other: what it returned to be awaited, say.
        """
        if not self._is_over:
            Deliveries._under_way.add(self)
        task = _current_task()
        _flow.set(_Flow(path=part, runs_in=threading.get_ident() if task is None else weakref.ref(task)))

    def end(self) -> None:
        """The attempt is over, perhaps before its handler began: in a thread, that may come later."""
        self._is_over = True
        Deliveries._under_way.discard(self)

    @staticmethod
    def are_under_way() -> bool:
        """A handler runs in this process, so that what sends records without knowing a task may belong to it."""
        return bool(Deliveries._under_way)

    def claim(self, endpoint: str, digest: bytes, *, request: str | None = None, in_tasks: bool = True) -> Claim:
        """Name a request with content of that digest, the same in each attempt that sends the same in this order.

        Its place is `request`, or its number among the requests to the endpoint: "2", or "3.1, 2". It has no number
        where the order is not known: in threads that a `def` handler starts, and in tasks that have no number.
        `in_tasks`: asyncio tasks that the handler has started have places, too.

        Raises:
            ValueError: another request of the attempt has that name.
        """
        with self._lock:
            undo = list[Callable[[], None]]()
            place = self._named_place(endpoint, request, undo) if request else self._place(endpoint, in_tasks, undo)
            numbers = self._occurrences[digest]
            occurrence = numbers.take()
            undo.append(partial(numbers.give_back, occurrence))
        return Claim(occurrence=occurrence, place=place, give_back=partial(self._undo, undo))

    def _named_place(self, endpoint: str, request: str, undo: list[Callable[[], None]]) -> str:
        if (endpoint, request) in self._named:
            raise ValueError(request)
        self._named.add((endpoint, request))
        undo.append(partial(self._named.discard, (endpoint, request)))
        return repr(request)

    def _place(self, endpoint: str, in_tasks: bool, undo: list[Callable[[], None]]) -> str | None:
        flow = _flow.get()
        if flow is None or not flow.is_here or (flow.is_task and not in_tasks):
            return None
        numbers = flow.requests[endpoint]
        number = numbers.take()
        undo.append(partial(numbers.give_back, number))
        return f"{flow.path}, {number + 1}".lstrip(", ")

    def _undo(self, undo: list[Callable[[], None]]) -> None:
        with self._lock:
            while undo:
                undo.pop()()

    def answered(self, endpoint: str, key: str, *, stored: int, rejected: int = 0, set_aside: int = 0) -> bool:
        """Count what a request has brought, once for each key; whether records are set aside for the first time."""
        with self._lock:
            before = self._answers.get(key, (0, 0, 0))
            self._answers[key] = (stored, rejected, set_aside)
            is_first = bool(set_aside) and self._set_aside[endpoint] == 0
            self._stored[endpoint] += stored - before[0]
            self._rejected[endpoint] += rejected - before[1]
            self._set_aside[endpoint] += set_aside - before[2]
        return is_first

    def left_out(self, endpoint: str, count: int) -> None:
        """Count records that fit no model and were not sent."""
        with self._lock:
            self._rejected[endpoint] += count

    def released(self, endpoint: str, count: int, counted_twice: int) -> None:
        """Count records that were set aside and are stored now; each was answered with what had its place."""
        with self._lock:
            self._stored[endpoint] += count - counted_twice
            self._set_aside[endpoint] -= count

    @property
    def tally(self) -> Tally:
        """What was sent so far; of what is refused and set aside, endpoints without any are left out."""
        with self._lock:
            return Tally(stored=dict(self._stored), rejected=dict(+self._rejected), set_aside=dict(+self._set_aside))
