"""A worker in a process of its own, to be killed: FILE PORT QUEUE GRACE. Says "ready" and, at SIGTERM, "draining"."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from moose_lib.engine.connection import connect
from moose_lib.engine.worker import run_worker
from moose_lib.observing.observer import Event, WorkerIs
from moose_lib.project.loader import find_project, load_project


class Talker:
    """Says that the worker takes no more tasks."""

    def see(self, event: Event) -> None:
        if isinstance(event, WorkerIs) and event.state == "draining":
            print("draining", flush=True)


async def main() -> None:
    file, port, queue, grace = sys.argv[1:]
    overrides = {
        "temporal_config.address": f"127.0.0.1:{port}",
        "temporal_config.task_queue": queue,
        "worker.grace_period": grace,
    }
    project = find_project(Path(file).parent, Path(file), overrides=overrides)
    settings = project.settings
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_worker(
        client=await connect(settings),
        project=load_project(project),
        settings=settings,
        stop=stop,
        on_ready=lambda: print("ready", flush=True),
        observer=Talker(),
    )


asyncio.run(main())
sys.stdout.flush()
os._exit(0)  # a process that used a Temporal client can abort at exit (temporalio/sdk-python#300)
