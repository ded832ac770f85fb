"""A worker: polls the project's task queue, and drains when it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Interceptor, PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker

from moose_lib.dmv2.workflow import RunInfo
from moose_lib.engine.activities import Activities
from moose_lib.engine.handlers import Handlers
from moose_lib.engine.logs import silence_sdk
from moose_lib.engine.queue_watch import watch_queue
from moose_lib.engine.watching import Watch
from moose_lib.engine.wire import HEARTBEAT_INTERVAL
from moose_lib.engine.workflow import Interpreter
from moose_lib.errors import EngineUnreachable
from moose_lib.observing.observer import Observer, WorkerIs
from moose_lib.project.loader import LoadedProject
from moose_lib.project.settings import Settings

#: How many attempts run at a time, and how many steps of runs.
MAX_CONCURRENT_TASKS: Final = 100
#: Temporal's defaults of 5 leave runs waiting for seconds when 50 are in flight.
_WORKFLOW_POLLERS: Final = 20
_ACTIVITY_POLLERS: Final = 20
_MAX_CACHED_RUNS: Final = 1000
#: How many large values of a run are stored or read at a time. With more than one, the SDK makes a task of its event
#: loop out of every value, also of the small ones: a bucket is far enough away to be worth that, a directory is not.
_VALUES_AT_ONCE: Final = 1
_VALUES_AT_ONCE_IN_BUCKET: Final = 8
#: How long the server waits for a worker that has a run in its cache and was killed.
_STICKY_TIMEOUT: Final = timedelta(seconds=5)


def worker_identity() -> str:
    """Who this worker is, in Temporal's UI and in histories."""
    return f"moose-{os.getpid()}@{socket.gethostname()}"


async def run_worker(
    *,
    client: Client,
    project: LoadedProject,
    settings: Settings,
    stop: asyncio.Event,
    on_ready: Callable[[], None],
    hurry: asyncio.Event | None = None,
    on_attempt_end: Callable[[RunInfo], None] | None = None,
    observer: Observer | None = None,
) -> None:
    """Work until `stop` is set, then drain and return.

    Draining takes no new tasks and gives the running ones `settings.worker.grace_period`, or until `hurry` is set. What
    still runs then is stopped; another worker runs it again, no attempt is used up and `on_cancel` does not run.
    `on_attempt_end` hears of every attempt that is over, after its last word. `observer` is told all there is to see.

    Raises:
        EngineUnreachable: the namespace is not there, or not for us.
        RuntimeError: Temporal refused the worker, or polling failed for good.
    """
    with Handlers() as handlers, _quiet_sdk():
        activities = Activities(project, handlers, on_attempt_end)
        worker = _worker(client, activities, settings, [] if observer is None else [Watch(observer)])
        await _check_namespace(client)
        running = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(stop.wait())
        hurrying = asyncio.create_task(_give_back(activities, hurry or asyncio.Event()))
        try:
            on_ready()
            async with _watched(client, settings, observer) as is_draining:
                await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
                is_draining()
                await worker.shutdown()
                await running
        finally:
            stopping.cancel()
            hurrying.cancel()
            await asyncio.gather(stopping, hurrying, return_exceptions=True)


@asynccontextmanager
async def _watched(client: Client, settings: Settings, observer: Observer | None) -> AsyncGenerator[Callable[[], None]]:
    """Tell the observer of the worker and its task queue; yields what to call when the worker takes no more."""
    if observer is None:
        yield lambda: None
        return
    asking = asyncio.create_task(watch_queue(client, settings.temporal.task_queue, observer))
    observer.see(WorkerIs(state="working"))
    try:
        yield lambda: observer.see(WorkerIs(state="draining"))
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        observer.see(WorkerIs(state="stopped"))


async def _give_back(activities: Activities, hurry: asyncio.Event) -> None:
    await hurry.wait()
    activities.give_back()


@contextmanager
def _quiet_sdk() -> Generator[None]:
    sdk = logging.getLogger("temporalio.activity")
    sdk.addFilter(silence_sdk)
    try:
        yield
    finally:
        sdk.removeFilter(silence_sdk)


async def _check_namespace(client: Client) -> None:
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        address = client.service_client.config.target_host
        raise EngineUnreachable(address, f"namespace {client.namespace!r}: {error.message}") from error


def _worker(client: Client, activities: Activities, settings: Settings, interceptors: Sequence[Interceptor]) -> Worker:
    worker = Worker(
        client,
        task_queue=settings.temporal.task_queue,
        identity=worker_identity(),
        workflows=[Interpreter],
        activities=[activities.perform],
        interceptors=interceptors,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=MAX_CONCURRENT_TASKS,
        max_concurrent_workflow_tasks=MAX_CONCURRENT_TASKS,
        max_cached_workflows=_MAX_CACHED_RUNS,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=_WORKFLOW_POLLERS),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=_ACTIVITY_POLLERS),
        sticky_queue_schedule_to_start_timeout=_STICKY_TIMEOUT,
        max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        default_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        graceful_shutdown_timeout=settings.worker.grace_period,
        max_workflow_task_external_storage_concurrency=(
            _VALUES_AT_ONCE if settings.values.url is None else _VALUES_AT_ONCE_IN_BUCKET
        ),
    )
    _let_steps_end(worker)
    return worker


def _let_steps_end(worker: Worker) -> None:
    """Interrupt no step of a run.

    The SDK takes one of more than two seconds for a deadlock and raises an exception in its thread, wherever that is.
    No step of ours waits for anything: it is slow where the machine is busy or the run large, and the exception may
    hit what then stays broken, a lock of asyncio, say. Such a run never leaves the worker's cache and goes on nowhere,
    nor does the worker end. The only public way is the SDK's debug mode, in which steps run on the worker's event loop.
    """
    steps = worker._workflow_worker  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # see above
    assert steps is not None, "a worker with workflows has one"
    steps._deadlock_timeout_seconds = None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # see above
