"""The life of a server process: load, open the store, listen, answer until told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import Final

import uvloop

from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import open_project
from moose_lib.dev.readiness import LOADED, server_line
from moose_lib.observing.endpoint import own_registry
from moose_lib.observing.serving import ServerMetrics
from moose_lib.project.loader import LoadedProject, load_project
from moose_lib.server.serving import Serving, require_ready, run_server

__all__ = ["serve_project", "serving_lines"]

_OBJECTS_BETWEEN_COLLECTIONS: Final = 100_000


def serve_project(output: Output, target: Target, ready_fd: int | None, listen_fd: int | None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    loaded = load_project(open_project(target))
    if ready_fd is not None:
        require_ready(loaded)
        os.write(ready_fd, f"{LOADED}\n".encode())
    _collect_rarely()
    uvloop.run(_serve(output, loaded, ready_fd, listen_fd))
    if ready_fd is None:
        output.data("stopped")
    return 0


def _collect_rarely() -> None:
    """Records are no cycles: looking for garbage among them, as often as Python does, is a third of checking them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


async def _serve(output: Output, loaded: LoadedProject, ready_fd: int | None, listen_fd: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stop, number)

    def tell(serving: Serving) -> None:
        if ready_fd is not None:
            os.write(ready_fd, server_line((it.path for it in loaded.endpoints), loaded.project.root))
        else:
            output.data(*serving_lines(loaded, serving))
        output.talk(*serving.store.migrated)

    metrics = ServerMetrics(own_registry())
    await run_server(loaded, stop=stop, on_ready=tell, listen_fd=listen_fd, metrics=metrics)


def serving_lines(loaded: LoadedProject, serving: Serving) -> list[str]:
    """Return what is served, and where the records go."""
    server = loaded.project.settings.server
    base = server.url_at(server.host)
    endpoints = [f"  POST {base}/{endpoint.path}" for endpoint in loaded.endpoints]
    if serving.management_port is None:
        endpoints.append(f"note: management port {server.management_port} is taken; /metrics is here as well")
    clickhouse = loaded.project.settings.clickhouse
    if clickhouse is not None:
        endpoints.append(f"  and from there to ClickHouse: {clickhouse.url}, database {clickhouse.db_name}")
    return [f"serving {base}, records in {loaded.project.settings.store_path}", *(endpoints or ["  no endpoints"])]


def _stop(stop: asyncio.Event, number: int) -> None:
    """Answer what is under way at the first signal, end at the second."""
    if stop.is_set():
        os._exit(128 + number)
    stop.set()
