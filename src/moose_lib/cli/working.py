"""The life of a worker process: load, connect, say so, work until told to stop, drain, hurry if told again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import warnings
from contextlib import ExitStack

import uvloop

from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.schedule_keeping import bring_schedules, catching_up
from moose_lib.cli.session import open_project
from moose_lib.cli.watching import Watched, watched
from moose_lib.cli.worker_logs import WorkerLogs, capturing
from moose_lib.dev.readiness import ready_line
from moose_lib.engine.connection import connect
from moose_lib.engine.worker import run_worker
from moose_lib.project.code import keep_source
from moose_lib.project.loader import LoadedProject, load_project
from moose_lib.project.settings import prepare_process

__all__ = ["work"]


def work(output: Output, target: Target, ready_fd: int | None) -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    project = open_project(target)
    prepare_process(project.settings)
    with capturing(project.settings) as logs, ExitStack() as stack:
        loaded = load_project(project)
        keep_source(project.root)
        logs.install()  # once more: the user's code may have set up logging as well
        # The SDK's own race: an attempt ended while the server's answer to its last heartbeat was on the way.
        warnings.filterwarnings("ignore", "Cannot find activity to cancel", UserWarning)
        watching = stack.enter_context(watched(loaded))
        logs.on_dropped = watching.lines_dropped
        # What is imported by now stays: without this, every full collection walks through all of it again.
        gc.collect()
        gc.freeze()
        uvloop.run(_work(output, loaded, ready_fd, logs, watching))
    if ready_fd is None:
        output.data("stopped")
    return 0


async def _work(
    output: Output, loaded: LoadedProject, ready_fd: int | None, logs: WorkerLogs, watching: Watched
) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, output, stop, hurry, number)
    settings = loaded.project.settings
    client = await connect(settings, sdk_metrics=settings.metrics.sdk_address)
    brought = await bring_schedules(client, loaded)

    def tell() -> None:
        if ready_fd is not None:
            line = ready_line(loaded.workflows, loaded.project.root, brought.schedules, brought.news, brought.notes)
            os.write(ready_fd, line)
            return
        address, queue = client.service_client.config.target_host, settings.temporal.task_queue
        output.data(
            f"working for task queue {queue!r} of {address} (namespace {client.namespace})",
            f"workflows: {', '.join(sorted(loaded.workflows)) or 'none'}",
            *watching.lines,
        )
        brought.tell(output)

    async with catching_up(client, loaded):
        await run_worker(
            client=client,
            project=loaded,
            settings=settings,
            stop=stop,
            on_ready=tell,
            hurry=hurry,
            on_attempt_end=logs.attempt_ended,
            observer=watching.observer,
        )


def _stop(output: Output, stop: asyncio.Event, hurry: asyncio.Event, number: int) -> None:
    """Drain at the first signal, give the running tasks back at the second, end at the third."""
    if hurry.is_set():
        os._exit(128 + number)
    if stop.is_set():
        hurry.set()
        output.talk("giving the running tasks back")
    else:
        stop.set()
        output.talk("finishing the running tasks")
